package shop;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.Method;
import com.rabbitmq.client.Recoverable;
import com.rabbitmq.client.RecoveryListener;
import com.rabbitmq.client.ShutdownSignalException;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;

/** The Java client when something goes wrong. */
final class TroubleScenarios {
  private interface Mistake {
    void make(Channel channel) throws Exception;
  }

  private TroubleScenarios() {}

  static void addTo(Map<String, Main.Scenario> scenarios) {
    scenarios.put("channelErrors", TroubleScenarios::channelErrors);
    scenarios.put("exclusiveQueues", TroubleScenarios::exclusiveQueues);
    scenarios.put("wrongPassword", TroubleScenarios::wrongPassword);
    scenarios.put("cancelledConsumer", TroubleScenarios::cancelledConsumer);
    scenarios.put("topologyRecovery", TroubleScenarios::topologyRecovery);
  }

  private static void expect(Connection connection, int code, Mistake mistake) throws Exception {
    Channel channel = connection.createChannel();
    var failure =
        Check.fails(
            ShutdownSignalException.class,
            () -> {
              mistake.make(channel);
              return null;
            });
    Check.same(false, failure.isHardError());
    Method reason = failure.getReason();
    Check.same(code, ((AMQP.Channel.Close) reason).getReplyCode());
  }

  private static void channelErrors(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      channel.queueDeclare("java-fixed", true, false, false, null);
      expect(connection, 404, each -> each.queueDeclarePassive("not-there"));
      expect(connection, 404, each -> each.basicConsume("not-there", (t, d) -> {}, t -> {}));
      expect(connection, 406, each -> each.queueDeclare("java-fixed", false, false, false, null));
      expect(connection, 403, each -> each.exchangeDeclare("amq.mine", "direct"));
      channel.exchangeDeclare("java-typed", "direct", false, true, null);
      expect(connection, 406, each -> each.exchangeDeclare("java-typed", "topic", false, true, null));
      Check.same(true, channel.isOpen());
      channel.queueDelete("java-fixed");
      channel.exchangeDelete("java-typed");
    }
  }

  private static void exclusiveQueues(Broker broker) throws Exception {
    try (Connection mine = Broker.factory().newConnection();
        Connection other = Broker.factory().newConnection()) {
      Channel channel = mine.createChannel();
      String queue = channel.queueDeclare().getQueue();
      expect(other, 405, each -> each.queueDeclarePassive(queue));
      expect(other, 405, each -> each.basicGet(queue, true));
      channel.queueDeclare("java-reserved", false, false, true, null);
      channel.basicConsume("java-reserved", true, "c", false, true, null, (t, d) -> {}, t -> {});
      expect(other, 403, each -> each.basicConsume("java-reserved", (t, d) -> {}, t -> {}));
    }
  }

  private static void wrongPassword(Broker broker) throws Exception {
    var factory = Broker.factory();
    factory.setPassword("wrong");
    Check.fails(AuthenticationFailureException.class, factory::newConnection);
  }

  private static void cancelledConsumer(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      channel.queueDeclare("java-going", false, false, false, null);
      var cancelled = new LinkedBlockingQueue<String>();
      channel.basicConsume("java-going", true, "watcher", (t, d) -> {}, cancelled::add);
      connection.createChannel().queueDelete("java-going");
      Check.same("watcher", Check.next(cancelled));
    }
  }

  /** Queues, bindings and consumers come back by themselves; what was confirmed is not lost. */
  private static void topologyRecovery(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      channel.basicQos(10);
      channel.queueDeclare("java-sturdy", true, false, false, null);
      channel.exchangeDeclare("java-news", "fanout", false, true, null);
      String own = channel.queueDeclare().getQueue();
      channel.queueBind(own, "java-news", "");
      Set<String> seen = ConcurrentHashMap.newKeySet();
      var all = new CountDownLatch(1);
      var news = new CountDownLatch(1);
      channel.basicConsume(own, true, (tag, each) -> news.countDown(), tag -> {});
      channel.basicConsume(
          "java-sturdy",
          false,
          (tag, each) -> {
            seen.add(ClientScenarios.text(each.getBody()));
            channel.basicAck(each.getEnvelope().getDeliveryTag(), false);
            if (seen.size() == 200) {
              all.countDown();
            }
          },
          tag -> {});
      var recovered = new CountDownLatch(1);
      ((Recoverable) connection)
          .addRecoveryListener(
              new RecoveryListener() {
                @Override
                public void handleRecovery(Recoverable what) {
                  recovered.countDown();
                }

                @Override
                public void handleRecoveryStarted(Recoverable what) {}
              });
      publish(connection, 0, 100);
      broker.restart();
      Check.happens(recovered);
      publish(connection, 100, 200);
      Check.happens(all);
      channel.basicPublish("java-news", "", null, ClientScenarios.bytes("news"));
      Check.happens(news);
    }
  }

  private static void publish(Connection connection, int from, int to) throws Exception {
    try (Channel channel = connection.createChannel()) {
      channel.confirmSelect();
      for (int number = from; number < to; number++) {
        channel.basicPublish(
            "",
            "java-sturdy",
            com.rabbitmq.client.MessageProperties.PERSISTENT_BASIC,
            ClientScenarios.bytes("" + number));
      }
      channel.waitForConfirmsOrDie(Check.LIMIT_S * 1000L);
    }
  }
}
