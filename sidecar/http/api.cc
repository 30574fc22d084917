#include "sidecar/http/api.h"

#include <algorithm>

#include "sidecar/http/cloud_events.h"
#include "sidecar/http/json_text.h"
#include "sidecar/http/openapi.h"

namespace pannier::http {
namespace {

constexpr std::string_view kCalls =
    "POST and GET /{queue}; GET /v1/openapi.json; GET /v1/queues and /v1/queues/{queue}; POST "
    "/v1/queues/{queue}/messages, "
    "receive, ack, nack and extend; GET /v1/queues/{queue}/peek and stream; DELETE "
    "/v1/queues/{queue}/messages";

bool is_refused_when_closing(Call call) {
  return call == Call::publish || call == Call::messages || call == Call::take ||
         call == Call::receive || call == Call::stream;
}

}  // namespace

Response json_answer(unsigned status, std::string body) {
  Response response;
  response.status = status;
  response.fields.emplace_back("Content-Type", "application/json");
  response.body = slice_of(std::move(body));
  return response;
}

ApiHandler::ApiHandler(queue::Registry& registry, const queue::Access& access, const Clock& clock,
                       const ApiLimits& limits)
    : registry_(registry),
      access_(access),
      clock_(clock),
      limits_(limits),
      held_(std::make_shared<HeldBytes>()),
      alive_(std::make_shared<ApiHandler*>(this)) {
  const auto of_streams = std::make_shared<HeldBytes>();
  of_streams->bytes_max = limits_.streams_bytes_max;
  of_streams->on_room = [this] {
    registry_.context().loop.post([this, alive = alive_] {
      if (*alive != nullptr) on_streams_room();
    });
  };
  stream_context_ = std::make_shared<StreamContext>(
      StreamContext{registry_, clock_, limits_, of_streams, {}, [this](const StreamPtr& stream) {
                      streams_.erase(stream);
                    }});
  held_->bytes_max = limits_.received_bytes_max;
  held_->on_room = [this] {
    registry_.context().loop.post([this, alive = alive_] {
      if (*alive != nullptr) on_held_room();
    });
  };
}

ApiHandler::~ApiHandler() {
  *alive_ = nullptr;
  held_->on_room = {};
  stream_context_->on_over = {};
  for (const StreamPtr& stream : std::exchange(streams_, {})) stream->leave(false);
  stream_context_->held->on_room = {};
  for (const TakerPtr& taker : std::exchange(takers_, {})) {
    taker->end();
    taker->give_back_all(false);
  }
}

// What a body may be is decided by the head: a document that has to be read as a whole is in
// memory, whatever is kept as it is may go to the spool in parts.
Result<Plan> ApiHandler::plan(const Request& head) {
  const Route route = route_of(head);
  Plan plan;
  plan.body_bytes_max = limits_.request_bytes_max;
  plan.may_upgrade = route.call == Call::stream;
  if (route.call == Call::openapi) plan.login = Login::none;
  if (route.call == Call::publish) {
    plan.body_bytes_max = limits_.message_bytes_max;
    plan.takes_parts = true;
  } else if (route.call == Call::messages) {
    const std::string type = media_type(head.field("Content-Type").value_or(""));
    const bool is_document = (type == "application/json" && head.parameter("batch") != "false") ||
                             type == "application/x-ndjson" ||
                             (type == kEventsBatchType && head.parameter("batch") != "false") ||
                             head.parameter("batch") == "true";
    plan.body_bytes_max = is_document ? limits_.batch_bytes_max : limits_.message_bytes_max;
    plan.takes_parts = !is_document;
  }
  if (plan.takes_parts)
    if (const auto queue = registry_.find_queue(route.queue, 0))
      plan.compression = (*queue)->settings().compression;
  return plan;
}

void ApiHandler::handle(const ExchangePtr& exchange) {
  const Request& request = exchange->request();
  const Route route = route_of(request);
  if (route.call == Call::none && !route.allow.empty()) {
    Response response =
        problem(405, "method_not_allowed",
                request.method + " is not allowed here: " + route.allow + " are", request.target);
    response.fields.emplace_back("Allow", route.allow);
    return exchange->answer(std::move(response));
  }
  if (route.call == Call::none)
    return exchange->answer(
        problem(404, "not_found", "there is nothing at that path; there is: " + std::string(kCalls),
                request.target));
  if (auto known = check_parameters(route, request); !known) return fail(*exchange, known.error());
  if (closing_ && is_refused_when_closing(route.call))
    return fail(*exchange, {Errc::closed, *closing_});
  dispatch(exchange, route);
}

void ApiHandler::dispatch(const ExchangePtr& exchange, const Route& route) {
  switch (route.call) {
    case Call::none: return;
    case Call::publish: return publish(exchange, route);
    case Call::take: return take(exchange, route);
    case Call::messages: return messages(exchange, route);
    case Call::purge: return purge(exchange, route);
    case Call::receive: return receive(exchange, route);
    case Call::ack:
    case Call::nack: return settle(exchange, route);
    case Call::extend: return extend(exchange, route);
    case Call::queues: return list(exchange);
    case Call::queue: return show(exchange, route);
    case Call::peek: return peek(exchange, route);
    case Call::stream: return open_stream(exchange, route);
    case Call::openapi: return exchange->answer(openapi_answer());
  }
}

Result<queue::QueuePtr> ApiHandler::find(const Exchange& exchange, const Route& route,
                                         Verb verb) const {
  auto found = registry_.find_queue(route.queue, 0);
  if (!found) return found;
  if (auto may = access_.may(exchange.principal(), verb, route.queue); !may) return may.error();
  return found;
}

void ApiHandler::fail(Exchange& exchange, const Error& error) {
  exchange.answer(problem(error, exchange.request().target));
}

Result<void> ApiHandler::may_wait() const {
  if (waiting_answers() < limits_.answers_waiting) return {};
  return Error{Errc::limit_reached, "too many requests wait for the disk"};
}

void ApiHandler::answer_at(queue::Commit commit, std::function<void()> answer) {
  if (commit <= registry_.spool().synced_commit()) return answer();
  for_sync_.emplace(commit, std::move(answer));
}

// In the order in which they came: nobody overtakes whoever waits for room.
void ApiHandler::attempt_until(const ExchangePtr& exchange, std::function<bool()> attempt,
                               std::chrono::milliseconds limit, const Error& late) {
  if (for_room_.empty() && attempt()) return;
  auto waiting = std::make_shared<Retry>(Retry{exchange, std::move(attempt), false});
  for_room_.push_back(waiting);
  const std::weak_ptr<Retry> weak = waiting;
  exchange->on_gone([weak] {
    if (const auto gone = weak.lock()) gone->end();
  });
  exchange->wake_at(clock_.now() + limit, [this, alive = alive_, weak, late] {
    const auto waits = weak.lock();
    if (*alive == nullptr || !waits || waits->is_over) return;
    fail(*waits->end(), late);
  });
}

void ApiHandler::retry() {
  while (!for_room_.empty()) {
    const std::shared_ptr<Retry> first = for_room_.front();
    if (!first->is_over && !(first->exchange && first->exchange->is_gone())) {
      if (!first->attempt()) return;
      first->is_over = true;  // its timer finds that out
    }
    for_room_.pop_front();
  }
}

void ApiHandler::on_room() { retry(); }

void ApiHandler::on_synced(queue::Commit synced) {
  while (!for_sync_.empty() && for_sync_.begin()->first <= synced) {
    const auto answer = std::move(for_sync_.begin()->second);
    for_sync_.erase(for_sync_.begin());
    answer();
  }
  retry();
}

void ApiHandler::close(std::string_view reason) {
  closing_ = reason;
  const Error error(Errc::closed, *closing_);
  for (const StreamPtr& stream : std::set<StreamPtr>(streams_)) stream->end(error);
  for (const TakerPtr& taker : std::set<TakerPtr>(takers_)) {
    drop(taker);
    fail(*taker->exchange, error);
  }
  for (const auto& waiting : for_room_) {
    if (waiting->is_over || !waiting->exchange ||
        !is_refused_when_closing(route_of(waiting->exchange->request()).call))
      continue;
    fail(*waiting->end(), error);
  }
}

}  // namespace pannier::http
