// ApiStream: a client that is pushed messages: what it was given, how much more it may have, and
// the leases of what it has not settled. EventStream and SocketStream say how that is written.
//
// Owned by ApiHandler and by its exchange, until the client goes or the stream has ended; loop
// thread. What is not settled by then goes back. Bounded: messages by its credit, bytes on their
// way by ApiLimits::stream_unsent_bytes and by a budget of all streams.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "sidecar/http/api_limits.h"
#include "sidecar/http/exchange.h"
#include "sidecar/http/held_bytes.h"
#include "sidecar/queue/registry.h"

namespace pannier::http {

class ApiStream;

// What all streams share; made by ApiHandler, which they may outlive for as long as they are over.
struct StreamContext {
  queue::Registry& registry;
  const Clock& clock;
  const ApiLimits limits;
  std::shared_ptr<HeldBytes> held;
  // Who has it, by Receipt::delivery: whoever settles it gives that stream its credit back.
  std::unordered_map<std::uint64_t, ApiStream*> holders;
  std::function<void(const std::shared_ptr<ApiStream>&)> on_over;
};

struct StreamOptions {
  std::size_t credit = 0;              // messages that may be unsettled at once
  bool settles_itself = false;         // a message is settled by being written whole
  std::chrono::milliseconds lease{0};  // else it has to be settled within
};

class ApiStream : public queue::Consumer,
                  public StreamUser,
                  public std::enable_shared_from_this<ApiStream> {
 public:
  ApiStream(std::shared_ptr<StreamContext> context, ExchangePtr exchange, queue::QueuePtr queue,
            const StreamOptions& options);
  ~ApiStream() override;
  ApiStream(const ApiStream&) = delete;
  ApiStream& operator=(const ApiStream&) = delete;

  void begin(Response head);
  // Last words, and the end: what it holds goes back, and nobody is at fault.
  void end(const Error& why);
  // Off its queue, without a word; calls do nothing from now on.
  void leave(bool counts);

  // Just that delivery, not one that somebody made up.
  bool holds(const queue::Queue& queue, const queue::Receipt& receipt) const;
  // A delivery of its is settled, or lives longer; once all of a call are, regain().
  void release(std::uint64_t delivery);
  void prolong(std::uint64_t delivery, Clock::time_point until);
  void regain();

  const ExchangePtr& exchange() const { return exchange_; }
  const queue::QueuePtr& queue() const { return queue_; }
  std::size_t held() const { return held_.size() + pending_.size(); }
  std::uint64_t unsent() const { return put_bytes_ - written_bytes_; }

  bool has_credit() const override;
  std::uint32_t credit() const override;
  void deliver(queue::Queue& queue, queue::Delivery delivery) override;
  void queue_gone(queue::Queue& queue) override;
  void on_written(std::uint64_t bytes) override;
  void on_end() override;

 protected:
  // A message as it is written; `json` is an object's.
  virtual std::string framed(std::string_view receipt, std::string json) = 0;
  virtual std::string first_words() { return {}; }
  virtual std::string beat() = 0;
  // The end: last_words and Exchange::finish, at once or later.
  virtual void say_goodbye(const Error& why) = 0;
  // Times of its own.
  virtual std::optional<Clock::time_point> next_time() const { return {}; }
  virtual void on_time(Clock::time_point) {}

  void put(std::string bytes);
  void set_credit(std::size_t credit);
  void arm();
  bool is_over() const { return is_over_; }
  const StreamContext& context() const { return *context_; }
  std::uint64_t put_bytes() const { return put_bytes_; }

 private:
  struct Held {
    queue::Receipt receipt;
    Clock::time_point until;  // of its lease; unset: none
  };
  struct Pending {
    queue::Delivery delivery;
    std::uint32_t next_part = 0;
    Bytes body;  // of one in parts, put together
  };

  void note();
  void on_turn();
  void put_pending();
  void read_part();
  void on_part(const Result<Slice>& part);
  void put_message(const queue::Delivery& delivery, std::string_view body);
  void drop_first();
  void on_wake();
  void reap(Clock::time_point now);
  void recharge();

  const std::shared_ptr<StreamContext> context_;
  const ExchangePtr exchange_;
  const queue::QueuePtr queue_;
  StreamOptions options_;
  HeldCharge charge_;
  std::deque<Pending> pending_;  // given by the queue, and not put
  std::uint64_t pending_bytes_ = 0;
  std::map<std::uint64_t, Held> held_;  // put, and not settled; by delivery
  std::set<std::pair<Clock::time_point, std::uint64_t>> leases_;
  std::deque<std::pair<std::uint64_t, std::uint64_t>> unwritten_;  // end in put_bytes_, delivery
  std::uint64_t put_bytes_ = 0;
  std::uint64_t written_bytes_ = 0;
  Clock::time_point last_put_{};
  std::optional<Clock::time_point> armed_;
  bool is_consuming_ = false;
  bool is_noted_ = false;    // a turn is posted
  bool is_reading_ = false;  // a part of the first pending one
  bool lacks_credit_ = false;
  bool is_over_ = false;
};
using StreamPtr = std::shared_ptr<ApiStream>;

}  // namespace pannier::http
