// ApiHandler: the HTTP API of queues: publish, take, receive, settle, look (docs/http_api.md).
//
// Made once, owned by Agent; loop thread; goes before the registry. An answer that promises
// something waits for the sync that makes it true, and answers leave in the order of commits. What
// waits has a limit in ApiLimits. Nothing here survives a restart: a receipt does, but its lease
// does not.
//
// api.cc routes and keeps what waits; api_publish.cc, api_batch.cc, api_take.cc, api_receive.cc,
// api_settle.cc and api_queues.cc do what they say; api_push.cc makes streams and hears their
// clients.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string_view>

#include "sidecar/http/api_limits.h"
#include "sidecar/http/api_routes.h"
#include "sidecar/http/api_stream.h"
#include "sidecar/http/api_taker.h"
#include "sidecar/http/exchange.h"
#include "sidecar/queue/registry.h"

namespace pannier::http {

class JsonArgs;
class SocketStream;

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
  // Who may what has changed: streams whose client may not consume any more end.
  void on_policy();

  std::size_t streams() const { return streams_.size(); }
  std::size_t waiting_takes() const { return takers_.size(); }
  std::size_t waiting_answers() const { return for_sync_.size() + for_room_.size(); }

 private:
  struct Settling;
  struct Streaming;
  // What waits for room in the spool. False: it waits on.
  struct Retry {
    ExchangePtr exchange;  // null: whoever waits has a time limit of its own
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
  Result<queue::QueuePtr> find_or_declare(Exchange& exchange, const Route& route);
  Result<void> check_size(const queue::Message& message) const;
  bool try_publish(const ExchangePtr& exchange, const queue::QueuePtr& queue,
                   const queue::MessagePtr& message, const std::string& id);
  void messages(const ExchangePtr& exchange, const Route& route);
  void batch(const ExchangePtr& exchange, const Route& route, std::string_view type);
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
  Result<std::shared_ptr<Settling>> settle_all(const queue::QueuePtr& queue, const JsonArgs& args,
                                               bool is_ack);
  Result<std::shared_ptr<Settling>> extend_all(const queue::QueuePtr& queue, const JsonArgs& args);
  // `wait` tries again and again what it is given. Calls back once.
  using WaitForRoom = std::function<void(std::function<bool()> attempt)>;
  void make_durable(const std::shared_ptr<Settling>& settling,
                    const std::function<void(bool is_durable)>& done, const WaitForRoom& wait);

  // api_push.cc
  void open_stream(const ExchangePtr& exchange, const Route& route);
  Result<StreamOptions> stream_options(const Request& request, const queue::Queue& queue) const;
  void command(SocketStream& stream, std::string_view text);
  Result<void> carry_out(SocketStream& stream, std::string_view text);
  Result<void> settle_of(SocketStream& stream, std::string_view text, bool is_ack);
  Result<void> extend_of(SocketStream& stream, std::string_view text);
  void on_streams_room();

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
  std::shared_ptr<StreamContext> stream_context_;
  std::set<StreamPtr> streams_;
  std::optional<std::string> closing_;
  std::shared_ptr<ApiHandler*> alive_;  // for callbacks that may come later than we are
};

Response json_answer(unsigned status, std::string body);

}  // namespace pannier::http
