import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpFilter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** Gives each request an id, a count and an access record. */
final class Observer extends HttpFilter {
    private static final Set<String> INFRA = Set.of("/health", "/ready", "/metrics");

    private final Settings settings;
    private final Metrics metrics;

    Observer(Settings settings, Metrics metrics) {
        this.settings = settings;
        this.metrics = metrics;
    }

    @Override
    protected void doFilter(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        String incoming = request.getHeader("X-Request-ID");
        String id = incoming == null ? UUID.randomUUID().toString().replace("-", "") : incoming;
        response.setHeader("X-Request-ID", id);
        long began = System.nanoTime();
        try {
            chain.doFilter(request, response);
        } finally {
            finish(request, response.getStatus(), id, (System.nanoTime() - began) / 1e9);
        }
    }

    private void finish(HttpServletRequest request, int status, String id, double seconds) {
        String path = status == HttpServletResponse.SC_NOT_FOUND ? "__unmatched__" : request.getRequestURI();
        metrics.observe(request.getMethod(), path, status, seconds);
        if (INFRA.contains(path)) {
            return;
        }
        Map<String, Object> fields = new LinkedHashMap<>(settings.build());
        fields.put("request_id", id);
        fields.put("status", status);
        fields.put("method", request.getMethod());
        fields.put("path", path);
        fields.put("rawPath", request.getRequestURI());
        fields.put("query", request.getQueryString() == null ? "" : request.getQueryString());
        fields.put("ip", request.getRemoteAddr());
        fields.put("latencyMs", seconds * 1000);
        fields.put("userAgent", request.getHeader("User-Agent"));
        Json.log(status >= 500 ? "ERROR" : status >= 400 ? "WARN" : "INFO", "http", "http_request", fields);
    }
}
