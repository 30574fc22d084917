package shop;

import com.rabbitmq.client.ConnectionFactory;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** How a Java app finds its agent: nothing but PANNIER_DIR. */
final class Broker {
  private static final Path DIR = Path.of(System.getenv("PANNIER_DIR"));
  private final BufferedReader commands;

  Broker(BufferedReader commands) {
    this.commands = commands;
  }

  static ConnectionFactory factory() throws Exception {
    var factory = new ConnectionFactory();
    factory.setUri(Files.readString(DIR.resolve("amqp-url")));
    factory.useSslProtocol(trusting(DIR.resolve("ca.crt")));
    factory.enableHostnameVerification();
    factory.setNetworkRecoveryInterval(100);
    return factory;
  }

  private static SSLContext trusting(Path certificate) throws Exception {
    var store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    var ca = new ByteArrayInputStream(Files.readAllBytes(certificate));
    store.setCertificateEntry(
        "ca", CertificateFactory.getInstance("X.509").generateCertificate(ca));
    var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    var context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }

  /** The test kills the broker and starts it again. */
  void restart() throws IOException {
    System.out.println("wanted: restart");
    Check.same("done", commands.readLine());
  }
}
