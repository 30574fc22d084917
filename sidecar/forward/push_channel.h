// PushChannel: the receiver's side of a push link: another agent gives messages of its queues away
// (link_methods.h, docs/decisions/0011-pushes.md).
//
// Every put is answered, in any order: `taken` once the message and its sequence in the mark are
// synced, also when an earlier put had brought it; `refused` when it stays with its pusher. What
// arrives after we have sent link.end is refused, so that the pusher knows when nothing is on its
// way any more. What a cut leaves unanswered is sent again, and dropped if it was taken.
//
// Owned by its ServerSession; PushDoor and the context outlive it. Loop thread. What is limited:
// pushes (AmqpLimits::consumers_per_channel), unanswered messages and the bytes of their bodies
// (kPushWindow*), what waits to be journaled (kPushBatch* and a message; then nothing more is
// read), bodies that are not complete (incomplete_bytes_per_session), their size
// (message_bytes_max). Access is asked at every push, and when the policy changes. Nothing of it
// survives: marks are the registry's.
//
// push_channel.cc begins and ends pushes; push_channel_content.cc receives messages;
// push_channel_answers.cc journals and answers them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sidecar/amqp/codec.h"
#include "sidecar/amqp/session_context.h"
#include "sidecar/forward/link_methods.h"
#include "sidecar/forward/push_door.h"

namespace pannier::forward {

// Of each push: enough for a link of 100 ms to bring 10,000 messages a second, and of a body of
// usual size any number. Sequences that crashes leave in a mark are of the window's order.
inline constexpr std::uint64_t kPushWindowMessages = 1'024;
inline constexpr std::uint64_t kPushWindowBytes = 4u << 20;
// Of a link, until they are journaled: a group has a quarter of a segment, by default 4 MiB.
inline constexpr std::size_t kPushBatchMessages = 256;
inline constexpr std::uint64_t kPushBatchBytes = 1u << 20;

class PushChannel final : public amqp::ServerChannel, private PushDoor::Link {
 public:
  PushChannel(amqp::ChannelId id, amqp::SessionContext& context, amqp::SessionLink& session,
              PushDoor& door);
  ~PushChannel() override;

  Result<void> on_method(amqp::MethodId method, ByteView payload) override;
  Result<void> on_header(ByteView payload) override;
  Result<void> on_body(ByteView payload) override;
  void on_synced(queue::Commit synced) override;
  bool awaits_sync() const override { return !batched_.empty() || !answers_.empty(); }
  void on_room() override {}
  void wind_down(bool counts_deliveries) override;
  void close(bool counts_deliveries) override { wind_down(counts_deliveries); }
  bool is_streaming() const override { return false; }
  std::size_t held_bytes() const override { return 0; }

 private:
  using Outcome = queue::Taken::Outcome;
  struct Push {
    std::string name;
    std::string uid;
    queue::QueuePtr queue;
    queue::PushSource source;
    std::uint64_t floor = 0;
    bool drains = false;
    std::optional<std::string> ended;  // nothing is taken any more, and why
    std::uint64_t unanswered = 0;
    std::uint64_t unanswered_bytes = 0;  // of bodies
    std::vector<queue::Pushed> batch;    // to be journaled
  };
  using PushPtr = std::shared_ptr<Push>;
  struct Receiving {  // between link.put and the end of its body
    LinkPut method;
    PushPtr push;
    std::uint8_t hops = 0;
    std::optional<Outcome> decided;  // its body is skipped
    bool has_header = false;
    bool is_complete = false;
    bool is_folded = false;
    std::uint64_t body_size = 0;
    std::uint64_t received = 0;
    Bytes properties;
    std::optional<amqp::Charge> charge;
    std::shared_ptr<std::byte[]> body;  // small ones whole
    spool::BodyId body_id = 0;          // large ones: in the spool
    Bytes part;                         // the part that is filling
    std::uint32_t parts = 0;
  };
  struct Answer {
    PushPtr push;
    queue::Sequence sequence = 0;
    std::uint64_t bytes = 0;  // that the window gets back
    Outcome outcome;
  };

  // push_channel.cc
  Result<void> push(const LinkPush& method);
  Result<queue::QueuePtr> pushable(const std::string& queue, const std::string& uid,
                                   const spool::Uuid& spool) const;
  Result<void> forget(const LinkForget& method);
  void stop(const std::string& queue);
  void end(Push& push, const std::string& why);
  void give_way() override;
  void check_access() override;

  // push_channel_content.cc
  Result<void> put(ByteView payload);
  Result<void> begin_content(ByteView payload);
  void begin_body();
  void refuse(const Error& why);
  Result<void> on_piece(ByteView piece);
  Result<void> add_to_parts(ByteView payload);
  Result<void> flush_part();
  Result<void> finish();
  static queue::Traits traits_of(const Receiving& receiving);
  queue::Pushed assembled() const;
  void drop_body();

  // push_channel_answers.cc
  bool is_full() const {
    return batch_messages_ >= kPushBatchMessages || batch_bytes_ >= kPushBatchBytes;
  }
  void add_to_batch(const PushPtr& push, queue::Pushed pushed);
  bool journal();
  void take_off(const queue::Pushed& pushed);
  void drop_batch(Push& push);
  void answer(const PushPtr& push, queue::Sequence sequence, std::uint64_t bytes, Outcome outcome);
  void send(const std::vector<Answer>& answers);

  template <typename Method>
  void send(const Method& method) {
    amqp::put_method(session_.session_output(), id_, method);
  }
  const std::string& pod() const { return session_.principal().name; }

  const amqp::ChannelId id_;
  amqp::SessionContext& context_;
  amqp::SessionLink& session_;
  PushDoor& door_;
  std::map<std::string, PushPtr> pushes_;  // by queue; ended ones until the pusher stops
  std::optional<Receiving> receiving_;
  std::vector<PushPtr> batched_;  // with a batch, in the order of their first messages
  std::size_t batch_messages_ = 0;
  std::uint64_t batch_bytes_ = 0;
  std::map<queue::Commit, std::vector<Answer>> answers_;  // by what they wait for
  bool ended_ = false;
};

}  // namespace pannier::forward
