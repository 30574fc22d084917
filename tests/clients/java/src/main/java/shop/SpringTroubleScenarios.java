package shop;

import com.rabbitmq.client.ShutdownSignalException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.springframework.amqp.AmqpException;
import org.springframework.amqp.core.AcknowledgeMode;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.CorrelationData;
import org.springframework.amqp.rabbit.core.RabbitAdmin;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.listener.DirectMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;
import org.springframework.amqp.rabbit.listener.api.ChannelAwareMessageListener;
import org.springframework.amqp.rabbit.transaction.RabbitTransactionManager;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.transaction.support.TransactionTemplate;

/** Spring AMQP when something goes wrong, and the containers without annotations. */
final class SpringTroubleScenarios {
  private SpringTroubleScenarios() {}

  static void addTo(Map<String, Main.Scenario> scenarios) {
    scenarios.put("springOtherDeclaration", broker -> run(SpringTroubleScenarios::mismatch));
    scenarios.put("springManualAcks", broker -> run(SpringTroubleScenarios::manualAcks));
    scenarios.put("springConsumerPriority", broker -> run(SpringTroubleScenarios::priority));
    scenarios.put("springTransactions", broker -> run(SpringTroubleScenarios::transactions));
    scenarios.put("springDeletedQueue", broker -> run(SpringTroubleScenarios::deletedQueue));
    scenarios.put("springRecovery", broker -> run((app, t) -> recovery(broker, app, t)));
  }

  private static void run(SpringScenarios.Use use) throws Exception {
    SpringScenarios.run(use);
  }

  private static void mismatch(AnnotationConfigApplicationContext app, RabbitTemplate template) {
    var admin = app.getBean(RabbitAdmin.class);
    var failure =
        Check.fails(
            ShutdownSignalException.class,
            () -> admin.declareQueue(new Queue("spring-urgent", true, false, false)));
    Check.that(failure.getMessage().contains("PRECONDITION_FAILED"), failure.getMessage());
    Check.that(failure.getMessage().contains("x-max-priority"), failure.getMessage());
  }

  /** The first try is given back, the second one is acknowledged. */
  private static void manualAcks(AnnotationConfigApplicationContext app, RabbitTemplate template)
      throws Exception {
    String queue = app.getBean(RabbitAdmin.class).declareQueue().getName();
    var seen = new LinkedBlockingQueue<String>();
    var container = new DirectMessageListenerContainer(template.getConnectionFactory());
    container.setQueueNames(queue);
    container.setAcknowledgeMode(AcknowledgeMode.MANUAL);
    container.setPrefetchCount(1);
    container.setMessageListener(
        (ChannelAwareMessageListener)
            (message, channel) -> {
              boolean isSecond = message.getMessageProperties().isRedelivered();
              long tag = message.getMessageProperties().getDeliveryTag();
              seen.add(new String(message.getBody()) + (isSecond ? " again" : ""));
              if (isSecond) {
                channel.basicAck(tag, false);
              } else {
                channel.basicNack(tag, false, true);
              }
            });
    container.start();
    for (String text : new String[] {"a", "b"}) {
      template.convertAndSend("", queue, text);
      Check.same(text, Check.next(seen));
      Check.same(text + " again", Check.next(seen));
    }
    container.stop();
  }

  private static SimpleMessageListenerContainer consumer(
      RabbitTemplate template, String queue, int priority, LinkedBlockingQueue<String> seen) {
    var container = new SimpleMessageListenerContainer(template.getConnectionFactory());
    container.setQueueNames(queue);
    container.setConsumerArguments(Map.of("x-priority", priority));
    container.setPrefetchCount(50);
    container.setMessageListener(message -> seen.add("of " + priority));
    container.setRecoveryInterval(100);
    container.setFailedDeclarationRetryInterval(100);
    container.start();
    return container;
  }

  private static void priority(AnnotationConfigApplicationContext app, RabbitTemplate template)
      throws Exception {
    String queue = app.getBean(RabbitAdmin.class).declareQueue().getName();
    var seen = new LinkedBlockingQueue<String>();
    var low = consumer(template, queue, 1, seen);
    var high = consumer(template, queue, 9, seen);
    for (int number = 0; number < 30; number++) {
      template.convertAndSend("", queue, "m");
    }
    List<String> found = new ArrayList<>();
    for (int number = 0; number < 30; number++) {
      found.add(Check.next(seen));
    }
    Check.same(Set.of("of 9"), new HashSet<>(found));
    high.stop();
    template.convertAndSend("", queue, "m");
    Check.same("of 1", Check.next(seen));
    low.stop();
  }

  /** A local transaction of the template, and a listener whose failure takes back what it sent. */
  private static void transactions(AnnotationConfigApplicationContext app, RabbitTemplate unused)
      throws Exception {
    var connections = new CachingConnectionFactory(Broker.factory());
    try {
      var template = new RabbitTemplate(connections);
      template.setChannelTransacted(true);
      var admin = app.getBean(RabbitAdmin.class);
      for (String name : new String[] {"spring-tx-in", "spring-tx-out"}) {
        admin.declareQueue(new Queue(name, false, false, false));
      }
      var manager = new RabbitTransactionManager(connections);
      Check.fails(
          IllegalStateException.class,
          () ->
              new TransactionTemplate(manager)
                  .execute(
                      status -> {
                        template.convertAndSend("", "spring-tx-out", "undone");
                        throw new IllegalStateException("no stock");
                      }));
      var tries = new LinkedBlockingQueue<Boolean>();
      var container = new SimpleMessageListenerContainer(connections);
      container.setQueueNames("spring-tx-in");
      container.setChannelTransacted(true);
      container.setTransactionManager(manager);
      container.setMessageListener(
          message -> {
            template.convertAndSend("", "spring-tx-out", "answer");
            boolean isSecond = message.getMessageProperties().isRedelivered();
            tries.add(isSecond);
            if (!isSecond) {
              throw new IllegalStateException("broken");
            }
          });
      container.start();
      template.convertAndSend("", "spring-tx-in", "order");
      Check.same(false, Check.next(tries));
      Check.same(true, Check.next(tries));
      Check.same("answer", template.receiveAndConvert("spring-tx-out", Check.LIMIT_S * 1000L));
      container.stop();
      Check.same(null, template.receiveAndConvert("spring-tx-out"));
      Check.same(null, template.receiveAndConvert("spring-tx-in"));
    } finally {
      connections.destroy();
    }
  }

  /** The container is told, and consumes again once the queue is back. */
  private static void deletedQueue(AnnotationConfigApplicationContext app, RabbitTemplate template)
      throws Exception {
    var admin = app.getBean(RabbitAdmin.class);
    var queue = new Queue("spring-going", false);
    admin.declareQueue(queue);
    var seen = new LinkedBlockingQueue<String>();
    var container = consumer(template, "spring-going", 0, seen);
    template.convertAndSend("", "spring-going", "m");
    Check.same("of 0", Check.next(seen));
    admin.deleteQueue("spring-going");
    admin.declareQueue(queue);
    template.convertAndSend("", "spring-going", "m");
    Check.same("of 0", Check.next(seen));
    container.stop();
  }

  private static void recovery(
      Broker broker, AnnotationConfigApplicationContext app, RabbitTemplate template)
      throws Exception {
    var shop = app.getBean(ShopConfig.Shop.class);
    var connections = app.getBean(CachingConnectionFactory.class);
    var closed = new CountDownLatch(1);
    connections.addConnectionListener(
        new org.springframework.amqp.rabbit.connection.ConnectionListener() {
          @Override
          public void onCreate(org.springframework.amqp.rabbit.connection.Connection connection) {}

          @Override
          public void onShutDown(ShutdownSignalException signal) {
            closed.countDown();
          }
        });
    Set<String> wanted = new HashSet<>();
    publish(template, wanted, 0, 100);
    broker.restart();
    Check.happens(closed);
    publish(template, wanted, 100, 200);
    Check.same(wanted, SpringScenarios.next(shop.orders, wanted.size()));
    // The queue that the annotation declared went with its connection, and has come back.
    for (boolean isThere = false; !isThere; ) {
      var correlation = new CorrelationData("event");
      template.convertAndSend("spring-events", "order.late", "x", correlation);
      correlation.getFuture().get(Check.LIMIT_S, TimeUnit.SECONDS);
      isThere = correlation.getReturned() == null;
    }
    Check.same("order.late", Check.next(shop.events));
  }

  /** Until it is confirmed. */
  private static void publish(RabbitTemplate template, Set<String> wanted, int from, int to)
      throws Exception {
    for (int number = from; number < to; number++) {
      String text = "sturdy-" + number;
      wanted.add(text);
      for (boolean isAcked = false; !isAcked; ) {
        try {
          var correlation = new CorrelationData(text);
          template.convertAndSend("", "spring-orders", text, correlation);
          isAcked = correlation.getFuture().get(Check.LIMIT_S, TimeUnit.SECONDS).isAck();
        } catch (AmqpException lost) {
          Check.that(lost.getMessage() != null, "it says why");
        }
      }
    }
  }
}
