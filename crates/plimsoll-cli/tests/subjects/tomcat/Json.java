import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/** Objects of texts and numbers, and records with the names that logback's encoder uses. */
final class Json {
    private Json() {}

    static void log(String level, String logger, String message, Map<String, Object> fields) {
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("@timestamp", Instant.now().toString());
        all.put("level", level);
        all.put("logger_name", logger);
        all.put("thread_name", Thread.currentThread().getName());
        all.put("message", message);
        all.putAll(fields);
        System.out.println(of(all));
    }

    static String of(Map<String, Object> fields) {
        return fields.entrySet().stream()
                .map(field -> text(field.getKey()) + ":" + value(field.getValue()))
                .collect(Collectors.joining(",", "{", "}"));
    }

    private static String value(Object value) {
        return value instanceof Number ? value.toString() : text(String.valueOf(value));
    }

    private static String text(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ' || c > '~') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
