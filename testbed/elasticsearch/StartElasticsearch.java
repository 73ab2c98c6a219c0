import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginBundle;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Starts one real Elasticsearch node from its jars.
 * Arguments: the folder of modules, then settings as key=value.
 */
public class StartElasticsearch {
    public static void main(String[] args) throws Exception {
        Path modules = Path.of(args[0]);
        Settings.Builder settings = Settings.builder();
        Map<String, String> none = new HashMap<>();
        for (int i = 1; i < args.length; i++) {
            int equals = args[i].indexOf('=');
            settings.put(args[i].substring(0, equals), args[i].substring(equals + 1));
        }
        LogConfigurator.configureESLogging();
        Settings built = settings.build();
        Environment environment = InternalSettingsPreparer.prepareEnvironment(built, none, null, () -> built.get("node.name"));
        Set<PluginBundle> bundles = loadModules(modules);
        Node node = new Node(environment, PluginsLoader.createPluginsLoader(bundles, Set.of(), Map.of()));
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
            stopped.countDown();
        }));
        node.start();
        // The node's own threads are daemons: without a thread that waits, the JVM would end here.
        stopped.await();
    }

    /** The same method, which takes one argument in Elasticsearch 8 and two in 9. */
    @SuppressWarnings("unchecked")
    private static Set<PluginBundle> loadModules(Path modules) throws Exception {
        for (Method method : PluginsLoader.class.getMethods()) {
            if (!method.getName().equals("loadModulesBundles")) continue;
            Object[] arguments = method.getParameterCount() == 1 ? new Object[] {modules} : new Object[] {modules, false};
            return (Set<PluginBundle>) method.invoke(null, arguments);
        }
        throw new IllegalStateException("PluginsLoader has no loadModulesBundles");
    }
}
