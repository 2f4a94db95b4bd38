"""The closed table of kinds."""

from datanexus_spec.alert_rule import AlertRule
from datanexus_spec.connector import Connector
from datanexus_spec.custom_resource import Resource
from datanexus_spec.override import PipelineOverride
from datanexus_spec.pipeline import Pipeline
from datanexus_spec.revision import PipelineRevision

KINDS: dict[str, type[Resource]] = {
    "Pipeline": Pipeline,
    "Connector": Connector,
    "AlertRule": AlertRule,
    "PipelineRevision": PipelineRevision,
    "PipelineOverride": PipelineOverride,
}
