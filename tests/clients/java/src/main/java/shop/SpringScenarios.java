package shop;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.MessagePostProcessor;
import org.springframework.amqp.core.QueueInformation;
import org.springframework.amqp.rabbit.AsyncRabbitTemplate;
import org.springframework.amqp.rabbit.connection.CorrelationData;
import org.springframework.amqp.rabbit.core.RabbitAdmin;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/** Spring AMQP, as apps use it. */
final class SpringScenarios {
  private SpringScenarios() {}

  interface Use {
    void with(AnnotationConfigApplicationContext app, RabbitTemplate template) throws Exception;
  }

  static void addTo(Map<String, Main.Scenario> scenarios) {
    scenarios.put("springConfirms", broker -> run(SpringScenarios::confirms));
    scenarios.put("springReturns", broker -> run(SpringScenarios::returns));
    scenarios.put("springRetries", broker -> run(SpringScenarios::retries));
    scenarios.put("springDirectListener", broker -> run(SpringScenarios::directListener));
    scenarios.put("springBatches", broker -> run(SpringScenarios::batches));
    scenarios.put("springTopics", broker -> run(SpringScenarios::topics));
    scenarios.put("springRequests", broker -> run(SpringScenarios::requests));
    scenarios.put("springAsyncRequests", broker -> run(SpringScenarios::asyncRequests));
    scenarios.put("springDelays", broker -> run(SpringScenarios::delays));
    scenarios.put("springPriorities", broker -> run(SpringScenarios::priorities));
    scenarios.put("springAdmin", broker -> run(SpringScenarios::admin));
  }

  static void run(Use use) throws Exception {
    try (var app = new AnnotationConfigApplicationContext(ShopConfig.class)) {
      use.with(app, app.getBean(RabbitTemplate.class));
    }
  }

  static List<String> texts(String prefix, int count) {
    return IntStream.range(0, count).mapToObj(number -> prefix + number).toList();
  }

  static Set<String> next(java.util.concurrent.BlockingQueue<String> queue, int count)
      throws InterruptedException {
    Set<String> found = new HashSet<>();
    while (found.size() < count) {
      found.add(Check.next(queue));
    }
    return found;
  }

  private static void confirms(AnnotationConfigApplicationContext app, RabbitTemplate template)
      throws Exception {
    List<CorrelationData> sent = new ArrayList<>();
    for (String text : texts("order-", 200)) {
      var correlation = new CorrelationData(text);
      template.convertAndSend("", "spring-orders", text, correlation);
      sent.add(correlation);
    }
    for (CorrelationData each : sent) {
      Check.same(true, each.getFuture().get(Check.LIMIT_S, TimeUnit.SECONDS).isAck());
      Check.same(null, each.getReturned());
    }
    Check.same(
        Set.copyOf(texts("order-", 200)), next(app.getBean(ShopConfig.Shop.class).orders, 200));
  }

  /** The return is there when the confirm is. */
  private static void returns(AnnotationConfigApplicationContext app, RabbitTemplate template)
      throws Exception {
    var correlation = new CorrelationData("lost");
    template.convertAndSend("spring-events", "nobody.wants.it", "lost", correlation);
    Check.same(true, correlation.getFuture().get(Check.LIMIT_S, TimeUnit.SECONDS).isAck());
    Check.same(312, correlation.getReturned().getReplyCode());
    Check.same("nobody.wants.it", correlation.getReturned().getRoutingKey());
  }

  /** Three tries in the app, then the dead letters. */
  private static void retries(AnnotationConfigApplicationContext app, RabbitTemplate template)
      throws Exception {
    var shop = app.getBean(ShopConfig.Shop.class);
    template.convertAndSend("", "spring-orders", "poison");
    template.convertAndSend("", "spring-orders", "fine");
    Check.same("fine", Check.next(shop.orders));
    Message letter = template.receive("spring-failed", Check.LIMIT_S * 1000L);
    Check.same("poison", new String(letter.getBody()));
    Check.same(3, shop.attempts.get());
    Map<String, Object> death = ShopConfig.deathOf(letter);
    Check.same("rejected", death.get("reason"));
    Check.same("spring-orders", death.get("queue"));
  }

  private static void directListener(
      AnnotationConfigApplicationContext app, RabbitTemplate template) throws Exception {
    for (String text : texts("d", 100)) {
      template.convertAndSend("", "spring-direct", text);
    }
    Check.same(
        Set.copyOf(texts("d", 100)), next(app.getBean(ShopConfig.Shop.class).direct, 100));
    Check.same(
        3, app.getBean(RabbitAdmin.class).getQueueInfo("spring-direct").getConsumerCount());
  }

  /** Each publish may take another channel, so they come in any order. */
  private static void batches(AnnotationConfigApplicationContext app, RabbitTemplate template)
      throws Exception {
    for (String text : texts("b", 25)) {
      template.convertAndSend("", "spring-batches", text);
    }
    List<String> found = new ArrayList<>();
    while (found.size() < 25) {
      List<String> batch = Check.next(app.getBean(ShopConfig.Shop.class).batches);
      Check.that(batch.size() <= 10, "a batch has at most 10");
      found.addAll(batch);
    }
    Check.same(texts("b", 25).stream().sorted().toList(), found.stream().sorted().toList());
  }

  /** A queue that an annotation declares, and an anonymous one that the admin does. */
  private static void topics(AnnotationConfigApplicationContext app, RabbitTemplate template)
      throws Exception {
    template.convertAndSend("spring-events", "order.paid", "x");
    template.convertAndSend("spring-events", "stock.eu.low", "low");
    Check.same("order.paid", Check.next(app.getBean(ShopConfig.Shop.class).events));
    String own = app.getBean("own", org.springframework.amqp.core.Queue.class).getName();
    Check.same("low", template.receiveAndConvert(own, Check.LIMIT_S * 1000L));
  }

  /** Over direct reply-to, and over a queue for each request. */
  private static void requests(AnnotationConfigApplicationContext app, RabbitTemplate template) {
    var temporary = new RabbitTemplate(template.getConnectionFactory());
    temporary.setUseTemporaryReplyQueues(true);
    temporary.setReplyTimeout(Check.LIMIT_S * 1000L);
    var direct = new RabbitTemplate(template.getConnectionFactory());
    direct.setUseDirectReplyToContainer(false);
    direct.setReplyTimeout(Check.LIMIT_S * 1000L);
    for (RabbitTemplate each : new RabbitTemplate[] {template, temporary, direct}) {
      for (int number = 0; number < 20; number++) {
        Check.same("R" + number, each.convertSendAndReceive("", "spring-shout", "r" + number));
      }
    }
  }

  private static void asyncRequests(
      AnnotationConfigApplicationContext app, RabbitTemplate template) throws Exception {
    var async = new AsyncRabbitTemplate(template);
    async.start();
    List<CompletableFuture<String>> answers = new ArrayList<>();
    for (int number = 0; number < 100; number++) {
      answers.add(async.convertSendAndReceive("", "spring-shout", "a" + number));
    }
    for (int number = 0; number < 100; number++) {
      Check.same("A" + number, answers.get(number).get(Check.LIMIT_S, TimeUnit.SECONDS));
    }
    async.stop();
  }

  private static void delays(AnnotationConfigApplicationContext app, RabbitTemplate template) {
    template.convertAndSend(
        "",
        "spring-waiting",
        "later",
        (MessagePostProcessor)
            message -> {
              message.getMessageProperties().setExpiration("50");
              return message;
            });
    Message letter = template.receive("spring-due", Check.LIMIT_S * 1000L);
    Check.same("later", new String(letter.getBody()));
    Check.same("expired", ShopConfig.deathOf(letter).get("reason"));
  }

  private static void priorities(AnnotationConfigApplicationContext app, RabbitTemplate template) {
    for (int number = 0; number < 10; number++) {
      int priority = number % 5;
      template.convertAndSend(
          "",
          "spring-urgent",
          number,
          (MessagePostProcessor)
              message -> {
                message.getMessageProperties().setPriority(priority);
                return message;
              });
    }
    List<Object> found = new ArrayList<>();
    while (found.size() < 10) {
      found.add(template.receiveAndConvert("spring-urgent", Check.LIMIT_S * 1000L));
    }
    Check.same(List.of(4, 9, 3, 8, 2, 7, 1, 6, 0, 5), found);
  }

  private static void admin(AnnotationConfigApplicationContext app, RabbitTemplate template) {
    var admin = app.getBean(RabbitAdmin.class);
    var queue = new org.springframework.amqp.core.Queue("spring-made", true);
    Check.same("spring-made", admin.declareQueue(queue));
    for (int number = 0; number < 3; number++) {
      template.convertAndSend("", "spring-made", "m");
    }
    template.invoke(
        operations -> {
          operations.convertAndSend("", "spring-made", "last");
          operations.waitForConfirmsOrDie(Check.LIMIT_S * 1000L);
          return null;
        },
        null,
        null);
    QueueInformation info = admin.getQueueInfo("spring-made");
    Check.same(4L, (long) info.getMessageCount());
    Check.same(0, info.getConsumerCount());
    Check.same(4, admin.purgeQueue("spring-made"));
    Check.same(true, admin.deleteQueue("spring-made"));
    Check.same(null, admin.getQueueInfo("spring-made"));
  }
}
