"""The Connector: a source or sink outside, which pipelines refer to by name. Nothing runs it yet."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from datanexus_spec.custom_resource import Resource
from datanexus_spec.durations import Duration
from datanexus_spec.element import Count, Element, Finding, Label, Number, Pattern, PositivePeriod, Text, TextMap
from datanexus_spec.format import Format
from datanexus_spec.operation import SecretKey
from datanexus_spec.status import ResourceStatus

_URL = Pattern(r"^https?://[^\s]+$", "a URL that starts with http:// or https://", 2048)
Url = Annotated[str, _URL]


class CursorPaging(Element):
    """The answer holds the cursor of the next page."""

    cursor: Text
    """JSON pointer to the cursor in the answer."""
    parameter: Text
    """The query parameter that takes it."""


class OffsetPaging(Element):
    """Pages are numbered by the records before them."""

    parameter: Text = "offset"
    """The query parameter that takes the number."""
    size_parameter: Text = "limit"
    """The query parameter that takes the page's size."""
    size: Annotated[Count, Field(ge=1, le=100_000)] = 100
    """Records a page."""


class LinkPaging(Element):
    """The answer's Link header names the next page."""


class Paging(Element):
    """How one answer leads to the next: exactly one way."""

    cursor: CursorPaging | None = None
    """By a cursor in the answer."""
    offset: OffsetPaging | None = None
    """By a number of records."""
    link: LinkPaging | None = None
    """By the Link header."""

    one_of: ClassVar[tuple[str, ...]] = ("cursor", "offset", "link")


class RequestLimit(Element):
    """How fast requests may go out."""

    requests_per_second: Annotated[Number, Field(gt=0, le=100_000)] = 10.0
    """On average."""
    burst: Annotated[Count, Field(ge=1, le=100_000)] = 10
    """At once."""


class HttpApiConnector(Element):
    """An HTTP API that is asked again and again."""

    url: Url
    """What is asked."""
    method: Literal["GET", "POST"] = "GET"
    """How."""
    headers: TextMap = Field(default_factory=dict)
    """Headers of each request."""
    token: SecretKey | None = None
    """Bearer token."""
    records: str = Field(default="", max_length=256)
    """JSON pointer to the records in the answer; empty: the answer itself."""
    paging: Paging | None = None
    """How one answer leads to the next."""
    limit: RequestLimit = RequestLimit()
    """How fast requests may go out."""
    interval: PositivePeriod = Duration(60_000_000)
    """From one round to the next."""
    timeout: PositivePeriod = Duration(30_000_000)
    """How long an answer may take."""


class WebhookConnector(Element):
    """An HTTP address that rows are sent to."""

    url: Url
    """Where to."""
    method: Literal["POST", "PUT"] = "POST"
    """How."""
    headers: TextMap = Field(default_factory=dict)
    """Headers of each request."""
    signature: SecretKey | None = None
    """Key of the HMAC signature over the body."""
    timeout: PositivePeriod = Duration(10_000_000)
    """How long an answer may take."""
    limit: RequestLimit = RequestLimit()
    """How fast requests may go out."""


class RabbitmqConnector(Element):
    """A queue or a stream to read, or an exchange to write."""

    uri: SecretKey
    """amqp:// address with user and password."""
    queue: str | None = Field(default=None, min_length=1, max_length=255)
    """A queue to read."""
    stream: str | None = Field(default=None, min_length=1, max_length=255)
    """A stream to read."""
    exchange: str | None = Field(default=None, min_length=1, max_length=255)
    """An exchange to write."""
    routing_key: str = Field(default="", max_length=255)
    """Key of what is written."""
    prefetch: Annotated[Count, Field(ge=1, le=65_535)] = 1_000
    """Messages taken before they are confirmed."""
    format: Format | None = None
    """How a message is written."""

    one_of: ClassVar[tuple[str, ...]] = ("queue", "stream", "exchange")


class PostgresConnector(Element):
    """A query to read, or a table to write."""

    dsn: SecretKey
    """Address with user and password."""
    query: Text | None = None
    """What is read; it holds `$1`, the last value of `cursor`."""
    cursor: str | None = Field(default=None, max_length=63)
    """The ascending column that a reading goes on from."""
    table: str | None = Field(default=None, max_length=127)
    """What is written."""
    interval: PositivePeriod = Duration(10_000_000)
    """From one reading to the next."""

    one_of: ClassVar[tuple[str, ...]] = ("query", "table")

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        if given.get("query") is not None and given.get("cursor") is None:
            yield Finding((), "a query without cursor", "cursor: the ascending column a reading goes on from")


class S3Connector(Element):
    """Objects in a bucket."""

    endpoint: Url
    """The server."""
    bucket: str = Field(min_length=3, max_length=63)
    """The bucket."""
    prefix: str = Field(default="", max_length=1024)
    """What the objects' names start with."""
    region: str = Field(default="us-east-1", max_length=63)
    """The region."""
    access_key: SecretKey
    """Name of the key."""
    secret_key: SecretKey
    """The key."""
    format: Format
    """How objects are written."""


class FilesConnector(Element):
    """Files in a volume."""

    path: Text
    """A path or a pattern."""
    format: Format
    """How they are written."""


class ConnectorSpec(Element):
    """What is outside: exactly one of these."""

    http_api: HttpApiConnector | None = None
    """An HTTP API to read."""
    webhook: WebhookConnector | None = None
    """An HTTP address to write."""
    rabbitmq: RabbitmqConnector | None = None
    """RabbitMQ."""
    postgres: PostgresConnector | None = None
    """PostgreSQL."""
    s3: S3Connector | None = None
    """An object store."""
    files: FilesConnector | None = None
    """Files in a volume."""
    suspended: bool = Field(default=False, strict=True)
    """Whether it rests."""
    service_account: Label | None = None
    """The account its pod runs under."""

    one_of: ClassVar[tuple[str, ...]] = ("http_api", "webhook", "rabbitmq", "postgres", "s3", "files")


class Connector(Resource):
    """A source or sink outside."""

    kind: Literal["Connector"] = "Connector"
    spec: ConnectorSpec
    """What is outside."""
    status: ResourceStatus | None = None
    """What the operator found; not read from files."""
