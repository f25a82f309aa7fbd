import java.util.Map;
import java.util.TreeMap;

/** A counter and a histogram of requests by method, path and status. */
final class Metrics {
    private static final double[] LIMITS = {0.1, 1, 10, Double.POSITIVE_INFINITY};

    private final Settings settings;
    private final Map<String, Series> series = new TreeMap<>();

    Metrics(Settings settings) {
        this.settings = settings;
    }

    synchronized void observe(String method, String path, int status, double seconds) {
        String labels = String.format(
                "service=\"%s\",method=\"%s\",path=\"%s\",status=\"%d\"", settings.service(), method, path, status);
        series.computeIfAbsent(labels, key -> new Series()).add(seconds);
    }

    synchronized String text() {
        StringBuilder out = new StringBuilder("# TYPE build_info gauge\n");
        out.append(String.format(
                "build_info{service=\"%s\",version=\"%s\",build_time=\"%s\"} 1\n",
                settings.service(), settings.version(), settings.buildTime()));
        out.append("# TYPE http_requests_total counter\n");
        series.forEach((labels, one) -> out.append(String.format("http_requests_total{%s} %d\n", labels, one.count())));
        out.append("# TYPE http_request_duration_seconds histogram\n");
        series.forEach((labels, one) -> one.write(out, labels));
        return out.toString();
    }

    private static final class Series {
        private final long[] buckets = new long[LIMITS.length];
        private double sum;

        void add(double seconds) {
            sum += seconds;
            for (int index = 0; index < LIMITS.length; index++) {
                buckets[index] += seconds <= LIMITS[index] ? 1 : 0;
            }
        }

        long count() {
            return buckets[LIMITS.length - 1];
        }

        void write(StringBuilder out, String labels) {
            String name = "http_request_duration_seconds";
            for (int index = 0; index < LIMITS.length; index++) {
                String limit = Double.isInfinite(LIMITS[index]) ? "+Inf" : Double.toString(LIMITS[index]);
                out.append(String.format("%s_bucket{%s,le=\"%s\"} %d\n", name, labels, limit, buckets[index]));
            }
            out.append(String.format("%s_sum{%s} %s\n", name, labels, sum));
            out.append(String.format("%s_count{%s} %d\n", name, labels, count()));
        }
    }
}
