import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.catalina.Context;
import org.apache.catalina.LifecycleException;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;

/**
 * A service of servlets on Tomcat with the endpoints of the contract.
 *
 * <p>A shutdown hook stops Tomcat, so the process ends with the status of the signal, 143.
 */
public final class Service {
    public static void main(String[] arguments) throws IOException, LifecycleException {
        Settings settings = Settings.read();
        Metrics metrics = new Metrics(settings);
        Path folder = Files.createTempDirectory("tomcat-");
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(folder.toString());
        tomcat.setConnector(connector(settings));
        Context context = tomcat.addContext("", folder.toString());
        observe(context, new Observer(settings, metrics));

        add(context, "", "text/plain", () -> settings.service() + " is running (Java + Tomcat)\n");
        add(context, "/info", "application/json", () -> Json.of(settings.build()));
        add(context, "/health", "text/plain", () -> "ok");
        add(context, "/ready", "text/plain", () -> "ready");
        add(context, "/metrics", "text/plain;version=0.0.4;charset=utf-8", metrics::text);
        addServlet(context, "/", new Missing());

        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(tomcat)));
        tomcat.start();
        Json.log("INFO", "infra", "infra_app_ready", Map.of());
        tomcat.getServer().await();
    }

    private static Connector connector(Settings settings) {
        Connector connector = new Connector();
        connector.setPort(settings.port());
        connector.setProperty("address", settings.host());
        connector.setProperty("connectionTimeout", Long.toString(settings.readTimeout().toMillis()));
        return connector;
    }

    private static void observe(Context context, Observer observer) {
        FilterDef definition = new FilterDef();
        definition.setFilterName("observer");
        definition.setFilter(observer);
        context.addFilterDef(definition);
        FilterMap map = new FilterMap();
        map.setFilterName("observer");
        map.addURLPattern("/*");
        context.addFilterMap(map);
    }

    private static void add(Context context, String path, String mediaType, Supplier<String> body) {
        addServlet(context, path, new HttpServlet() {
            @Override
            protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
                response.setContentType(mediaType);
                response.getWriter().write(body.get());
            }
        });
    }

    private static void addServlet(Context context, String path, HttpServlet servlet) {
        String name = "servlet " + path;
        Tomcat.addServlet(context, name, servlet);
        context.addServletMappingDecoded(path, name);
    }

    private static void stop(Tomcat tomcat) {
        try {
            tomcat.stop();
        } catch (LifecycleException error) {
            System.err.println(error);
        }
    }

    /** Answers each path without another servlet. */
    private static final class Missing extends HttpServlet {
        @Override
        protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
            response.sendError(HttpServletResponse.SC_NOT_FOUND);
        }
    }
}
