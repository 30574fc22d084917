package shop;

import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.DeliverCallback;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.RpcClient;
import com.rabbitmq.client.RpcClientParams;
import com.rabbitmq.client.RpcServer;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;

/** The Java client by itself. */
final class ClientScenarios {
  private ClientScenarios() {}

  static void addTo(Map<String, Main.Scenario> scenarios) {
    scenarios.put("confirms", ClientScenarios::confirms);
    scenarios.put("returns", ClientScenarios::returns);
    scenarios.put("prefetch", ClientScenarios::prefetch);
    scenarios.put("deadLetters", ClientScenarios::deadLetters);
    scenarios.put("rpc", ClientScenarios::rpc);
    scenarios.put("largeMessages", ClientScenarios::largeMessages);
    scenarios.put("priorities", ClientScenarios::priorities);
    scenarios.put("properties", ClientScenarios::properties);
    scenarios.put("exchanges", ClientScenarios::exchanges);
    scenarios.put("lengths", ClientScenarios::lengths);
    scenarios.put("transactions", ClientScenarios::transactions);
    scenarios.put("singleActiveConsumer", ClientScenarios::singleActiveConsumer);
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static String text(byte[] body) {
    return new String(body, StandardCharsets.UTF_8);
  }

  /** So many of a queue, acknowledged, in their order. */
  static List<Delivery> take(Channel channel, String queue, int count) throws Exception {
    var found = new LinkedBlockingQueue<Delivery>();
    String tag = channel.basicConsume(queue, false, (t, each) -> found.add(each), t -> {});
    var taken = new ArrayList<Delivery>();
    while (taken.size() < count) {
      Delivery each = Check.next(found);
      channel.basicAck(each.getEnvelope().getDeliveryTag(), false);
      taken.add(each);
    }
    channel.basicCancel(tag);
    return taken;
  }

  private static void confirms(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      channel.queueDeclare("java-confirmed", true, false, false, null);
      channel.confirmSelect();
      var pending = new ConcurrentSkipListSet<Long>();
      var all = new CountDownLatch(1);
      channel.addConfirmListener(
          (tag, multiple) -> {
            if (multiple) {
              pending.headSet(tag, true).clear();
            } else {
              pending.remove(tag);
            }
            if (pending.isEmpty() && tag == 500) {
              all.countDown();
            }
          },
          (tag, multiple) -> {});
      for (int number = 0; number < 500; number++) {
        pending.add(channel.getNextPublishSeqNo());
        channel.basicPublish(
            "", "java-confirmed", MessageProperties.PERSISTENT_BASIC, bytes("" + number));
      }
      channel.waitForConfirmsOrDie(Check.LIMIT_S * 1000L);
      Check.happens(all);
      List<String> found =
          take(channel, "java-confirmed", 500).stream().map(each -> text(each.getBody())).toList();
      Check.same(IntStream.range(0, 500).mapToObj(String::valueOf).toList(), found);
    }
  }

  private static void returns(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      var order = new LinkedBlockingQueue<String>();
      channel.addReturnListener(
          back -> order.add("returned " + back.getReplyCode() + " " + text(back.getBody())));
      channel.addConfirmListener((tag, many) -> order.add("acked"), (tag, many) -> {});
      channel.confirmSelect();
      channel.basicPublish("", "nobody-is-here", true, null, bytes("lost"));
      Check.same("returned 312 lost", Check.next(order));
      Check.same("acked", Check.next(order));
    }
  }

  /** Per consumer, and for all of a channel. */
  private static void prefetch(Broker broker) throws Exception {
    for (boolean isShared : new boolean[] {false, true}) {
      try (Connection connection = Broker.factory().newConnection()) {
        Channel channel = connection.createChannel();
        String queue = channel.queueDeclare().getQueue();
        channel.basicQos(5, isShared);
        int limit = isShared ? 5 : 10;
        var held = new LinkedBlockingQueue<Delivery>();
        var out = new AtomicInteger();
        var most = new AtomicInteger();
        var isFull = new CountDownLatch(limit);
        DeliverCallback hold =
            (tag, each) -> {
              most.accumulateAndGet(out.incrementAndGet(), Math::max);
              held.add(each);
              isFull.countDown();
            };
        for (int number = 0; number < 2; number++) {
          channel.basicConsume(queue, false, hold, tag -> {});
        }
        for (int number = 0; number < 30; number++) {
          channel.basicPublish("", queue, null, bytes("m"));
        }
        Check.happens(isFull);
        for (int done = 0; done < 30; done++) {
          Delivery each = Check.next(held);
          out.decrementAndGet();
          channel.basicAck(each.getEnvelope().getDeliveryTag(), false);
        }
        Check.same(limit, most.get());
      }
    }
  }

  private static void deadLetters(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      channel.exchangeDeclare("java-dlx", BuiltinExchangeType.TOPIC, true);
      channel.queueDeclare("java-dead", true, false, false, null);
      channel.queueBind("java-dead", "java-dlx", "failed.#");
      Map<String, Object> arguments =
          Map.of("x-dead-letter-exchange", "java-dlx", "x-dead-letter-routing-key", "failed.order");
      channel.queueDeclare("java-live", true, false, false, arguments);
      channel.basicPublish("", "java-live", null, bytes("order"));
      for (boolean isSecond : new boolean[] {false, true}) {
        GetResponse got = channel.basicGet("java-live", false);
        Check.same(isSecond, got.getEnvelope().isRedeliver());
        channel.basicReject(got.getEnvelope().getDeliveryTag(), !isSecond);
      }
      Delivery letter = take(channel, "java-dead", 1).get(0);
      Map<String, Object> headers = letter.getProperties().getHeaders();
      Check.same("rejected", headers.get("x-first-death-reason").toString());
      Map<?, ?> death = (Map<?, ?>) ((List<?>) headers.get("x-death")).get(0);
      Check.same("java-live", death.get("queue").toString());
      Check.same(1L, death.get("count"));
      Check.that(death.get("time") instanceof Date, "a time of death");
      Check.same("failed.order", letter.getEnvelope().getRoutingKey());
    }
  }

  /** The library's RpcServer, with answers over direct reply-to and over a queue. */
  private static void rpc(Broker broker) throws Exception {
    try (Connection serving = Broker.factory().newConnection();
        Connection asking = Broker.factory().newConnection()) {
      Channel channel = serving.createChannel();
      String queue = channel.queueDeclare().getQueue();
      var server =
          new RpcServer(channel, queue) {
            @Override
            public byte[] handleCall(byte[] request, AMQP.BasicProperties replyProperties) {
              return bytes(text(request) + "!");
            }
          };
      var loop = new Thread(() -> serve(server));
      loop.setDaemon(true);
      loop.start();
      Channel ours = asking.createChannel();
      String own = ours.queueDeclare().getQueue();
      for (String replies : new String[] {"amq.rabbitmq.reply-to", own}) {
        var client =
            new RpcClient(
                new RpcClientParams()
                    .channel(ours)
                    .exchange("")
                    .routingKey(queue)
                    .replyTo(replies)
                    .timeout(Check.LIMIT_S * 1000));
        for (int number = 0; number < 50; number++) {
          Check.same(number + "!", client.stringCall("" + number));
        }
        client.close();
      }
    }
  }

  private static void serve(RpcServer server) {
    try {
      server.mainloop();
    } catch (IOException | ShutdownSignalException end) {
      // Its connection is closed.
    }
  }

  private static void largeMessages(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      channel.queueDeclare("java-large", true, false, false, null);
      channel.confirmSelect();
      byte[] body = new byte[8 * 1024 * 1024];
      for (int at = 0; at < body.length; at++) {
        body[at] = (byte) (at * 31);
      }
      for (int number = 0; number < 3; number++) {
        channel.basicPublish("", "java-large", MessageProperties.PERSISTENT_BASIC, body);
      }
      channel.waitForConfirmsOrDie(Check.LIMIT_S * 1000L);
      for (Delivery each : take(channel, "java-large", 3)) {
        Check.that(Arrays.equals(body, each.getBody()), "the body is whole");
      }
    }
  }

  private static void priorities(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      channel.queueDeclare("java-urgent", true, false, false, Map.of("x-max-priority", 4));
      List<Integer> numbers = IntStream.range(0, 20).boxed().toList();
      for (int number : numbers) {
        var properties = new AMQP.BasicProperties.Builder().priority(number % 6).build();
        channel.basicPublish("", "java-urgent", properties, bytes("" + number));
      }
      // What is above the queue's maximum counts as the maximum.
      List<Integer> wanted =
          numbers.stream()
              .sorted(Comparator.comparing((Integer number) -> -Math.min(number % 6, 4)))
              .toList();
      List<Integer> found =
          take(channel, "java-urgent", 20).stream()
              .map(each -> Integer.valueOf(text(each.getBody())))
              .toList();
      Check.same(wanted, found);
    }
  }

  private static void properties(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      String queue = channel.queueDeclare().getQueue();
      Map<String, Object> headers = new HashMap<>();
      headers.put("long", 1L << 40);
      headers.put("int", -7);
      headers.put("short", (short) 7);
      headers.put("byte", (byte) 1);
      headers.put("double", 0.25);
      headers.put("float", 0.5f);
      headers.put("decimal", new java.math.BigDecimal("12.34"));
      headers.put("true", true);
      headers.put("null", null);
      headers.put("date", new Date(1_700_000_000_000L));
      headers.put("list", List.of(1, 2L));
      headers.put("map", Map.of("inner", 5));
      var properties =
          new AMQP.BasicProperties.Builder()
              .headers(headers)
              .contentType("application/json")
              .timestamp(new Date(1_700_000_001_000L))
              .userId(Broker.factory().getUsername())
              .clusterId("c")
              .build();
      channel.basicPublish("", queue, properties, bytes("{}"));
      AMQP.BasicProperties found = take(channel, queue, 1).get(0).getProperties();
      Check.same(headers, found.getHeaders());
      Check.same(properties.getTimestamp(), found.getTimestamp());
      Check.same(properties.getUserId(), found.getUserId());
      Check.same("c", found.getClusterId());
    }
  }

  /** Topics over headers over an alternate exchange. */
  private static void exchanges(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      channel.exchangeDeclare("java-rest", BuiltinExchangeType.FANOUT, false, true, null);
      channel.exchangeDeclare(
          "java-in", "topic", false, true, Map.of("alternate-exchange", "java-rest"));
      channel.exchangeDeclare("java-big", BuiltinExchangeType.HEADERS, false, true, null);
      channel.exchangeBind("java-big", "java-in", "order.#");
      String big = channel.queueDeclare().getQueue();
      channel.queueBind(big, "java-big", "", Map.of("x-match", "all", "size", "big"));
      String rest = channel.queueDeclare().getQueue();
      channel.queueBind(rest, "java-rest", "");
      for (String key : new String[] {"order.1", "stock.1"}) {
        for (String size : new String[] {"big", "small"}) {
          var properties = new AMQP.BasicProperties.Builder().headers(Map.of("size", size)).build();
          channel.basicPublish("java-in", key, properties, bytes(key + size));
        }
      }
      Check.same("order.1big", text(take(channel, big, 1).get(0).getBody()));
      // An order that is not big was routed on by the first exchange: it is nobody's rest.
      List<String> others =
          take(channel, rest, 2).stream().map(each -> text(each.getBody())).toList();
      Check.same(List.of("stock.1big", "stock.1small"), others);
    }
  }

  /** The oldest goes to the dead letters, or the newest is refused. */
  private static void lengths(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      String dead = channel.queueDeclare().getQueue();
      channel.queueDeclare(
          "java-short",
          false,
          true,
          false,
          Map.of(
              "x-max-length", 2, "x-dead-letter-exchange", "", "x-dead-letter-routing-key", dead));
      for (String text : new String[] {"one", "two", "three"}) {
        channel.basicPublish("", "java-short", null, bytes(text));
      }
      Delivery oldest = take(channel, dead, 1).get(0);
      Check.same("one", text(oldest.getBody()));
      Map<String, Object> headers = oldest.getProperties().getHeaders();
      Check.same("maxlen", headers.get("x-first-death-reason").toString());
      Map<String, Object> refusing = Map.of("x-max-length", 1, "x-overflow", "reject-publish");
      channel.queueDeclare("java-full", false, true, false, refusing);
      channel.confirmSelect();
      channel.basicPublish("", "java-full", null, bytes("one"));
      Check.same(true, channel.waitForConfirms());
      channel.basicPublish("", "java-full", null, bytes("two"));
      Check.same(false, channel.waitForConfirms());
    }
  }

  private static void transactions(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      String queue = channel.queueDeclare().getQueue();
      channel.txSelect();
      channel.basicPublish("", queue, null, bytes("undone"));
      channel.txRollback();
      channel.basicPublish("", queue, null, bytes("done"));
      channel.txCommit();
      GetResponse got = channel.basicGet(queue, false);
      Check.same("done", text(got.getBody()));
      channel.basicAck(got.getEnvelope().getDeliveryTag(), false);
      channel.txRollback();
      channel.basicRecover(true);
      Check.same(true, channel.basicGet(queue, true).getEnvelope().isRedeliver());
    }
  }

  /** The next one takes over when the first goes. */
  private static void singleActiveConsumer(Broker broker) throws Exception {
    try (Connection connection = Broker.factory().newConnection()) {
      Channel channel = connection.createChannel();
      channel.queueDeclare(
          "java-single", false, true, false, Map.of("x-single-active-consumer", true));
      var seen = new LinkedBlockingQueue<String>();
      DeliverCallback note = (tag, each) -> seen.add(tag + " " + text(each.getBody()));
      for (String tag : new String[] {"first", "second"}) {
        channel.basicConsume("java-single", true, tag, note, t -> {});
      }
      for (String text : new String[] {"a", "b"}) {
        channel.basicPublish("", "java-single", null, bytes(text));
        Check.same("first " + text, Check.next(seen));
      }
      channel.basicCancel("first");
      channel.basicPublish("", "java-single", null, bytes("c"));
      Check.same("second c", Check.next(seen));
    }
  }
}
