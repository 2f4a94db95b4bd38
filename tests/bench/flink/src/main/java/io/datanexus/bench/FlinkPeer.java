package io.datanexus.bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.LongAdder;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.types.Row;

/**
 * The benchmark's query as Flink SQL in an embedded cluster: `FlinkPeer QUERY.sql WARM.ndjson FILE.ndjson`, one line of
 * JSON as answer. The query runs over the warm file some times first; then CPU seconds of the whole process (tasks, JIT,
 * garbage collection, the embedded cluster) are taken around the job over the other file.
 */
public final class FlinkPeer {
    private static final int WARM_JOBS = 2;
    private static final LongAdder ROWS = new LongAdder();
    private static final LongAdder RECORDS = new LongAdder();
    private static final LongAdder VALUE = new LongAdder();

    private FlinkPeer() {}

    public static void main(String[] arguments) throws Exception {
        String statements = Files.readString(Path.of(arguments[0]), StandardCharsets.UTF_8);
        for (int i = 0; i < WARM_JOBS; i++) {
            run(statements, arguments[1]);
        }
        ROWS.reset();
        RECORDS.reset();
        VALUE.reset();
        OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
        long before = system.getProcessCpuTime();
        run(statements, arguments[2]);
        double seconds = (system.getProcessCpuTime() - before) / 1e9;
        System.out.printf(
                "{\"cpu_s\": %.6f, \"rows\": %d, \"records\": %d, \"value\": %d, \"version\": \"%s, Java %s\"}%n",
                seconds, ROWS.sum(), RECORDS.sum(), VALUE.sum(), EnvironmentInformation.getVersion(),
                System.getProperty("java.version"));
        System.exit(0); // the embedded cluster's threads would hold the process
    }

    /** All statements but the last set the stage; the last one is the query whose rows are counted. */
    private static void run(String statements, String file) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(1, new Configuration());
        environment.getConfig().enableObjectReuse();
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        String[] parts = statements.replace("${file}", Path.of(file).toAbsolutePath().toUri().toString()).split(";\\s*\\n");
        for (int i = 0; i < parts.length - 1; i++) {
            tables.executeSql(parts[i]);
        }
        tables.toDataStream(tables.sqlQuery(parts[parts.length - 1])).map(FlinkPeer::count).returns(Long.class)
                .sinkTo(new DiscardingSink<>());
        environment.execute();
    }

    private static Long count(Row row) {
        ROWS.increment();
        RECORDS.add((Long) row.getField(2));
        VALUE.add((Long) row.getField(3));
        return 0L;
    }
}
