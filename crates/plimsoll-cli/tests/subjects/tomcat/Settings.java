import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/** The settings, from the environment. A wrong value ends the start with an exception. */
record Settings(String service, String version, String buildTime, String host, int port, Duration readTimeout) {
    static Settings read() {
        int port = Integer.parseInt(variable("PORT", "8080"));
        if (port < 1 || port > 65535) {
            throw new IllegalArgumentException("PORT is no port from 1 to 65535: " + port);
        }
        return new Settings(
                variable("SERVICE_NAME", "java-tomcat-app"),
                variable("VERSION", "0.0.0-dev"),
                variable("BUILD_TIME", "unknown"),
                variable("HOST", "0.0.0.0"),
                port,
                Duration.parse("PT" + variable("READ_TIMEOUT", "5s")));
    }

    /** The fields of /info. */
    Map<String, Object> build() {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("service", service);
        fields.put("version", version);
        fields.put("buildTime", buildTime);
        return fields;
    }

    private static String variable(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }
}
