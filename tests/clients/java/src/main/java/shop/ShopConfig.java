package shop;

import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.amqp.core.AnonymousQueue;
import org.springframework.amqp.core.Binding;
import org.springframework.amqp.core.BindingBuilder;
import org.springframework.amqp.core.Declarables;
import org.springframework.amqp.core.Message;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.core.QueueBuilder;
import org.springframework.amqp.core.TopicExchange;
import org.springframework.amqp.rabbit.annotation.EnableRabbit;
import org.springframework.amqp.rabbit.annotation.Exchange;
import org.springframework.amqp.rabbit.annotation.QueueBinding;
import org.springframework.amqp.rabbit.annotation.RabbitListener;
import org.springframework.amqp.rabbit.config.DirectRabbitListenerContainerFactory;
import org.springframework.amqp.rabbit.config.RetryInterceptorBuilder;
import org.springframework.amqp.rabbit.config.SimpleRabbitListenerContainerFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.ConnectionFactory;
import org.springframework.amqp.rabbit.core.RabbitAdmin;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.retry.RejectAndDontRequeueRecoverer;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** A shop as a Spring app: what it declares, how it listens, how it sends. */
@Configuration
@EnableRabbit
class ShopConfig {
  @Bean
  CachingConnectionFactory connections() throws Exception {
    var rabbit = Broker.factory();
    rabbit.setAutomaticRecoveryEnabled(false); // Spring's own recovers
    var connections = new CachingConnectionFactory(rabbit);
    connections.setPublisherConfirmType(CachingConnectionFactory.ConfirmType.CORRELATED);
    connections.setPublisherReturns(true);
    return connections;
  }

  @Bean
  RabbitTemplate template(ConnectionFactory connections) {
    var template = new RabbitTemplate(connections);
    template.setMandatory(true);
    template.setReplyTimeout(Check.LIMIT_S * 1000L);
    return template;
  }

  @Bean
  RabbitAdmin admin(ConnectionFactory connections) {
    return new RabbitAdmin(connections);
  }

  @Bean
  SimpleRabbitListenerContainerFactory retrying(ConnectionFactory connections) {
    var factory = new SimpleRabbitListenerContainerFactory();
    factory.setConnectionFactory(connections);
    factory.setRecoveryInterval(100L);
    factory.setPrefetchCount(10);
    factory.setAdviceChain(
        RetryInterceptorBuilder.stateless()
            .maxAttempts(3)
            .backOffOptions(1, 1.0, 1)
            .recoverer(new RejectAndDontRequeueRecoverer())
            .build());
    return factory;
  }

  @Bean
  DirectRabbitListenerContainerFactory direct(ConnectionFactory connections) {
    var factory = new DirectRabbitListenerContainerFactory();
    factory.setConnectionFactory(connections);
    factory.setConsumersPerQueue(3);
    factory.setPrefetchCount(5);
    return factory;
  }

  @Bean
  SimpleRabbitListenerContainerFactory batches(ConnectionFactory connections) {
    var factory = new SimpleRabbitListenerContainerFactory();
    factory.setConnectionFactory(connections);
    factory.setBatchListener(true);
    factory.setConsumerBatchEnabled(true);
    factory.setBatchSize(10);
    factory.setReceiveTimeout(200L);
    return factory;
  }

  @Bean
  Queue orders() {
    return QueueBuilder.durable("spring-orders")
        .deadLetterExchange("")
        .deadLetterRoutingKey("spring-failed")
        .build();
  }

  @Bean
  Declarables others() {
    return new Declarables(
        QueueBuilder.durable("spring-failed").build(),
        QueueBuilder.durable("spring-direct").build(),
        QueueBuilder.durable("spring-batches").build(),
        QueueBuilder.durable("spring-shout").build(),
        QueueBuilder.durable("spring-due").build(),
        QueueBuilder.durable("spring-waiting")
            .ttl(60_000)
            .deadLetterExchange("")
            .deadLetterRoutingKey("spring-due")
            .build(),
        QueueBuilder.durable("spring-urgent").maxPriority(5).build());
  }

  @Bean
  Queue own() {
    return new AnonymousQueue();
  }

  @Bean
  TopicExchange events() {
    return new TopicExchange("spring-events", true, false);
  }

  @Bean
  Binding ownEvents() {
    return BindingBuilder.bind(own()).to(events()).with("stock.#");
  }

  @Bean
  Shop shop() {
    return new Shop();
  }

  /** The listeners. */
  static class Shop {
    final BlockingQueue<String> orders = new LinkedBlockingQueue<>();
    final BlockingQueue<String> direct = new LinkedBlockingQueue<>();
    final BlockingQueue<String> events = new LinkedBlockingQueue<>();
    final BlockingQueue<List<String>> batches = new LinkedBlockingQueue<>();
    final AtomicInteger attempts = new AtomicInteger();

    @RabbitListener(queues = "spring-orders", containerFactory = "retrying", concurrency = "2")
    void onOrder(String order) {
      if (order.startsWith("poison")) {
        attempts.incrementAndGet();
        throw new IllegalArgumentException("cannot be packed");
      }
      orders.add(order);
    }

    @RabbitListener(queues = "spring-direct", containerFactory = "direct")
    void onDirect(String text) {
      direct.add(text);
    }

    @RabbitListener(queues = "spring-shout", containerFactory = "direct")
    String onShout(String text) {
      return text.toUpperCase();
    }

    @RabbitListener(queues = "spring-batches", containerFactory = "batches")
    void onBatch(List<String> batch) {
      batches.add(batch);
    }

    /** Declared by its annotation, with a name of the server's. */
    @RabbitListener(
        containerFactory = "retrying",
        bindings =
            @QueueBinding(
                value = @org.springframework.amqp.rabbit.annotation.Queue,
                exchange = @Exchange(value = "spring-events", type = "topic"),
                key = "order.*"))
    void onEvent(Message message) {
      events.add(message.getMessageProperties().getReceivedRoutingKey());
    }
  }

  static Map<String, Object> deathOf(Message letter) {
    return letter.getMessageProperties().getXDeathHeader().get(0).entrySet().stream()
        .collect(java.util.stream.Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
  }
}
