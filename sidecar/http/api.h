// ApiHandler: the HTTP API of queues: publish, take, receive, settle, look (docs/http_api.md).
//
// Made once, owned by Agent; loop thread; goes before the registry. An answer that promises
// something waits for the sync that makes it true, and answers leave in the order of commits. What
// waits has a limit in ApiLimits. Nothing here survives a restart: a receipt does, but its lease
// does not.
//
// api.cc routes and keeps what waits; api_publish.cc, api_batch.cc, api_take.cc, api_receive.cc,
// api_settle.cc and api_queues.cc do what they say.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string_view>

#include "sidecar/http/api_routes.h"
#include "sidecar/http/api_taker.h"
#include "sidecar/http/exchange.h"
#include "sidecar/queue/registry.h"

namespace pannier::http {

struct ApiLimits {
  std::uint64_t message_bytes_max = 16u << 20;
  std::uint64_t properties_bytes_max = 64u << 10;
  std::uint64_t batch_bytes_max = 4u << 20;  // the request
  std::size_t batch_messages_max = 4'096;
  std::uint64_t request_bytes_max = 256u << 10;  // of calls whose body is arguments
  std::size_t receive_messages_max = 1'000;
  std::uint64_t receive_bytes_max = 4u << 20;    // but for one message alone
  std::uint64_t received_bytes_max = 32u << 20;  // on their way to all takers
  std::size_t peek_messages_max = 100;
  std::size_t takes_waiting = 10'000;
  std::size_t answers_waiting = 65'536;  // for a sync, or for room
  std::chrono::milliseconds wait_max = std::chrono::minutes(5);
  std::chrono::milliseconds lease_max = std::chrono::hours(12);
  std::chrono::milliseconds linger{100};  // of a receive that has something, for more
  std::chrono::milliseconds room_wait = std::chrono::seconds(5);
  std::chrono::milliseconds settle_wait = std::chrono::seconds(30);
};

class ApiHandler final : public Handler {
 public:
  ApiHandler(queue::Registry& registry, const queue::Access& access, const Clock& clock,
             const ApiLimits& limits);
  ~ApiHandler() override;
  ApiHandler(const ApiHandler&) = delete;
  ApiHandler& operator=(const ApiHandler&) = delete;

  Result<Plan> plan(const Request& head) override;
  void handle(const ExchangePtr& exchange) override;

  void on_synced(queue::Commit synced);
  // The spool has room again.
  void on_room();
  // We are going: who waits for messages or room is told, and new publishes and takes are refused.
  // Settles go on, and answers that wait for a sync still come.
  void close(std::string_view reason);

  std::size_t waiting_takes() const { return takers_.size(); }
  std::size_t waiting_answers() const { return for_sync_.size() + for_room_.size(); }

 private:
  struct Settling;
  struct Streaming;
  // What waits for room in the spool. False: it waits on.
  struct Retry {
    ExchangePtr exchange;
    std::function<bool()> attempt;
    bool is_over = false;  // answered otherwise, or the client has gone

    // It keeps its place, but not its body, which nothing is charged for any more.
    ExchangePtr end() {
      is_over = true;
      attempt = {};
      return std::move(exchange);
    }
  };

  // api.cc
  void dispatch(const ExchangePtr& exchange, const Route& route);
  Result<queue::QueuePtr> find(const Exchange& exchange, const Route& route, Verb verb) const;
  void fail(Exchange& exchange, const Error& error);
  void answer_at(queue::Commit commit, std::function<void()> answer);
  void attempt_until(const ExchangePtr& exchange, std::function<bool()> attempt,
                     std::chrono::milliseconds limit, const Error& late);
  void retry();
  Result<void> may_wait() const;

  // api_publish.cc, api_batch.cc
  void publish(const ExchangePtr& exchange, const Route& route);
  Result<queue::QueuePtr> find_or_declare(const Exchange& exchange, const Route& route);
  Result<void> check_size(const queue::Message& message) const;
  bool try_publish(const ExchangePtr& exchange, const queue::QueuePtr& queue,
                   const queue::MessagePtr& message, const std::string& id);
  void messages(const ExchangePtr& exchange, const Route& route);
  void batch(const ExchangePtr& exchange, const Route& route, bool is_ndjson);
  bool try_batch(const ExchangePtr& exchange, const queue::QueuePtr& queue,
                 const std::vector<queue::MessagePtr>& batch, const std::string& ids);

  // api_take.cc, api_receive.cc
  void take(const ExchangePtr& exchange, const Route& route);
  void receive(const ExchangePtr& exchange, const Route& route);
  void start(const ExchangePtr& exchange, const queue::QueuePtr& queue, std::size_t max,
             std::chrono::milliseconds wait, std::optional<std::chrono::milliseconds> lease);
  void consume(const TakerPtr& taker);
  void on_held_room();
  void note(const std::weak_ptr<Taker>& taker);
  void on_taken(const TakerPtr& taker);
  void finish(const TakerPtr& taker);
  void drop(const TakerPtr& taker);
  void answer_take(const TakerPtr& taker);
  void collect(const TakerPtr& taker);
  void read_part(const TakerPtr& taker);
  void on_part(const TakerPtr& taker, const Result<Slice>& part);
  void answer_receive(const TakerPtr& taker);
  Result<void> may_receive() const;
  static void stream(const TakerPtr& taker, queue::Registry& registry, Response head,
                     Exchange::Done done);

  // api_settle.cc
  void settle(const ExchangePtr& exchange, const Route& route);
  void extend(const ExchangePtr& exchange, const Route& route);
  void answer_durable(const ExchangePtr& exchange, const std::shared_ptr<Settling>& settling);

  // api_queues.cc
  void list(const ExchangePtr& exchange);
  void show(const ExchangePtr& exchange, const Route& route);
  void peek(const ExchangePtr& exchange, const Route& route);
  void purge(const ExchangePtr& exchange, const Route& route);

  queue::Registry& registry_;
  const queue::Access& access_;
  const Clock& clock_;
  const ApiLimits limits_;
  std::multimap<queue::Commit, std::function<void()>> for_sync_;
  std::deque<std::shared_ptr<Retry>> for_room_;
  std::set<TakerPtr> takers_;
  std::shared_ptr<HeldBytes> held_;
  std::optional<std::string> closing_;
  std::shared_ptr<ApiHandler*> alive_;  // for callbacks that may come later than we are
};

Response json_answer(unsigned status, std::string body);

}  // namespace pannier::http
