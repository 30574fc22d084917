// Channel: one AMQP channel of a server session: its methods, the message that is being put
// together, confirms, consumers, and what was delivered and not yet settled.
//
// Owned by ServerSession; loop thread. Answers and deliveries go to the session's output. An error
// that it returns closes the channel or the connection, as its scope says (reply.h). Confirms leave
// in the order of their tags, each once the commit that covers it is synced; basic.return comes
// before its confirm. When it goes, what it had unacknowledged goes back to the queues.
//
// One with a gate is another agent's: it takes answers to requests from here, by the names that the
// gate lets pass and to queues that end with their clients, and nothing else. What nobody waits for
// is returned.
#pragma once

#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/amqp/basic_methods.h"
#include "sidecar/amqp/connection_methods.h"
#include "sidecar/amqp/content_streams.h"
#include "sidecar/amqp/session_context.h"
#include "sidecar/amqp/topology_methods.h"

namespace pannier::amqp {

class ChannelConsumer;

class Channel final : public ServerChannel, private ContentStreams::Owner {
 public:
  Channel(ChannelId id, SessionContext& context, SessionLink& session,
          std::unique_ptr<ReplyGate> gate = nullptr);
  ~Channel() override;

  Result<void> on_method(MethodId method, ByteView payload) override;
  Result<void> on_header(ByteView payload) override;
  Result<void> on_body(ByteView payload) override;

  // Confirms and answers that waited for it leave.
  void on_synced(queue::Commit synced) override;
  bool awaits_sync() const override { return !waiting_.empty() || !pending_confirms_.empty(); }
  // Consumers may be given more.
  void on_room() override;
  // Everything unacknowledged goes back, consumers leave their queues.
  void wind_down(bool counts_deliveries) override;
  void close(bool counts_deliveries) override;
  bool is_streaming() const override { return !streams_.empty(); }
  bool expects_content() const override { return publishing_.has_value(); }
  std::size_t held_bytes() const override { return streams_.held_bytes(); }

  ChannelId id() const { return id_; }
  std::size_t unacked() const { return unacked_count_; }
  // An answer to a request of ours. It may be lost.
  void deliver_reply(const queue::MessagePtr& message, std::shared_ptr<const void> body);
  std::size_t consumers() const { return consumers_.size(); }

 private:
  friend class ChannelConsumer;

  struct Publishing {  // between basic.publish and the end of its body
    BasicPublish method;
    bool has_header = false;
    std::uint64_t body_size = 0;
    std::uint64_t received = 0;
    Bytes properties;
    queue::Traits traits;
    std::vector<std::string> further_keys;  // of CC and BCC
    std::optional<Charge> charge;
    std::shared_ptr<std::byte[]> body;             // small ones whole
    Bytes part;                                    // large ones: the part that is filling
    std::optional<Result<std::uint64_t>> body_id;  // large ones: in the spool, or why not
    std::uint32_t parts = 0;
    bool is_complete = false;
  };
  struct Confirm {
    DeliveryTag tag = 0;
    queue::Commit commit = 0;  // 0: due at once; kAwaited: another agent's answer is due
    bool refused = false;
  };
  struct Unacked {
    DeliveryTag tag = 0;
    queue::QueuePtr queue;  // null once settled
    queue::Receipt receipt;
    std::shared_ptr<std::uint32_t> credit;  // of its consumer; null for basic.get
    std::uint32_t bytes = 0;
  };
  enum class Verdict : std::uint8_t { ack, requeue, discard };
  // What a transaction has decided and not yet done, in order.
  struct Tx {
    explicit Tx(const AmqpLimits& limits, Budget& all)
        : budget(limits.tx_bytes_per_channel, &all) {}
    struct Publish {
      queue::Transaction::Publish publish;
      bool mandatory = false;
      Charge charge;
    };
    struct Settled {
      Unacked unacked;
      Verdict verdict = Verdict::ack;
    };
    Budget budget;  // outlives what it counts
    std::vector<Publish> publishes;
    std::vector<Settled> settled;
  };
  struct ReplyConsumer {
    std::string tag;
    std::string name;
  };
  struct Waiting {  // an answer that waits for a commit, or behind one that does
    queue::Commit commit = 0;
    std::function<void()> answer;
    bool is_get = false;  // waits for room in the output, too
  };

  static constexpr queue::Commit kAwaited = std::numeric_limits<queue::Commit>::max();

  static Error not_for_us(MethodId method);

  // channel_topology.cc
  Result<void> on_exchange_method(MethodId method, ByteView payload);
  Result<void> on_queue_method(MethodId method, ByteView payload);
  Result<void> exchange_declare(const ExchangeDeclare& method);
  Result<void> exchange_delete(const ExchangeDelete& method);
  Result<void> exchange_bind(const ExchangeBind& method);
  Result<void> exchange_unbind(const ExchangeUnbind& method);
  Result<void> queue_declare(const QueueDeclare& method);
  Result<void> queue_bind(const QueueBind& method);
  Result<void> queue_unbind(const QueueUnbind& method);
  Result<void> queue_purge(const QueuePurge& method);
  Result<void> queue_delete(const QueueDelete& method);
  Result<std::string> queue_name(const std::string& given) const;

  // channel_publish.cc
  Result<void> on_publish(const BasicPublish& method);
  Result<void> start_body();
  spool::Codec codec_of_body();
  Result<void> add_to_parts(ByteView payload);
  Result<void> flush_part();
  Result<void> finish_publish();
  queue::MessagePtr assembled() const;
  Result<void> route(const queue::MessagePtr& message);
  Result<std::vector<queue::QueuePtr>> queues_for(const queue::Message& message);
  std::shared_ptr<const void> hold_parts(const queue::MessagePtr& message);
  void give_back_message(const queue::MessagePtr& message, std::shared_ptr<const void> body);
  void confirm(queue::Commit commit, bool refused);
  void release_confirms(queue::Commit synced);

  // channel_properties.cc
  Result<void> take_properties(ByteView bytes);
  Result<void> take_further_keys(queue::Properties& properties, bool& is_changed);
  Result<void> check_user_id(const queue::Properties& properties) const;

  // channel_tx.cc
  Result<void> on_tx_method(MethodId method, ByteView payload);
  Result<void> tx_publish(std::vector<queue::QueuePtr> queues, const queue::MessagePtr& message);
  Result<void> tx_commit();
  Result<void> tx_rollback();
  queue::Transaction transaction() const;
  void finish_publishes(std::vector<Tx::Publish> publishes, const queue::Committed& committed);
  void finish_settled(std::vector<Tx::Settled> settled);

  // channel_reply.cc
  Result<void> consume_replies(const BasicConsume& method);
  bool cancel_replies(const BasicCancel& method);
  Result<void> declare_reply_queue(const QueueDeclare& method);
  bool send_replies(const queue::MessagePtr& message, const std::shared_ptr<const void>& body);
  bool is_for_remote(const queue::Message& message) const;
  void send_to_remote(const queue::MessagePtr& message, const std::shared_ptr<const void>& body);
  void on_remote_outcome(DeliveryTag tag, bool is_lost);
  std::vector<queue::QueuePtr> reply_queues(const queue::Message& message) const;

  // channel_consume.cc
  Result<void> on_basic_method(MethodId method, ByteView payload);
  Result<void> qos(const BasicQos& method);
  Result<void> consume(const BasicConsume& method);
  Result<void> cancel(const BasicCancel& method);
  Result<void> get(const BasicGet& method);
  Result<void> ack(DeliveryTag tag, bool multiple);
  Result<void> nack(DeliveryTag tag, bool multiple, bool requeue);
  Result<void> recover(bool requeue, bool answer);
  using Settle = std::function<void(queue::Queue&, const queue::Receipt&)>;
  static Settle settle_of(Verdict verdict);
  Result<void> settle(DeliveryTag tag, bool multiple, Verdict verdict);
  void release(const Unacked& unacked);
  // At once, or when all of it has been sent: until then its body must stay.
  void apply(Unacked& unacked, const Settle& how);
  void start_get(const queue::QueuePtr& queue, bool no_ack);
  void on_got(const queue::QueuePtr& queue, bool no_ack, std::optional<queue::Delivery> delivery);
  void begin(const std::string& tag, std::uint64_t serial);
  void deliver(ChannelConsumer& consumer, queue::Queue& queue, queue::Delivery delivery);
  void send_get_ok(const queue::QueuePtr& queue, bool no_ack, const queue::Delivery& delivery);
  DeliveryTag remember(queue::QueuePtr queue, const queue::Delivery& delivery,
                       std::shared_ptr<std::uint32_t> credit);

  // channel_stream.cc
  void put_delivery(const queue::QueuePtr& queue, bool no_ack, const queue::Delivery& delivery);
  void on_contents_sent() override;
  void on_content_failed(const Error& why) override;

  void queue_gone(ChannelConsumer& consumer);
  bool is_at_limit() const;
  bool may_deliver() const;
  bool may_get() const { return streams_.empty() && !session_.is_overfull(); }
  void pump_consumers();
  static void pump(std::vector<queue::QueuePtr> queues);

  template <typename Method>
  void answer(const Method& method);
  // After the commit is synced, in the order in which they were asked for.
  void answer_after(queue::Commit commit, std::function<void()> answer);
  bool answers_wait() const { return getting_ || !waiting_.empty(); }
  net::Output& output() { return streams_.output(); }

  ChannelId id_;
  SessionContext& context_;
  SessionLink& session_;
  const std::unique_ptr<ReplyGate> gate_;  // null: an app's
  std::optional<Publishing> publishing_;
  bool confirms_ = false;
  std::optional<Tx> tx_;
  std::optional<ReplyConsumer> reply_consumer_;
  DeliveryTag next_publish_ = 1;
  std::deque<Confirm> pending_confirms_;
  std::deque<Waiting> waiting_;
  bool getting_ = false;  // a basic.get is on its way; later answers wait for it
  bool ended_ = false;
  std::map<std::string, std::unique_ptr<ChannelConsumer>> consumers_;
  std::uint64_t next_consumer_ = 1;
  DeliveryTag next_delivery_ = 1;
  std::deque<Unacked> unacked_;  // by tag; settled ones stay until they are at the front
  std::size_t unacked_count_ = 0;
  std::uint64_t unacked_bytes_ = 0;
  std::size_t consumed_unacked_ = 0;   // of them, those of consumers: what a prefetch counts
  std::uint16_t prefetch_ = 0;         // of consumers to come
  std::uint16_t global_prefetch_ = 0;  // of the channel
  bool flow_stopped_ = false;
  std::string last_queue_;  // an empty queue name means the last one declared (1.7.2)
  ContentStreams streams_;
  std::shared_ptr<Channel*> alive_;
};

}  // namespace pannier::amqp
