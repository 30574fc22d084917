#include <charconv>

#include "common/quantity.h"
#include "sidecar/http/api.h"
#include "sidecar/http/message_json.h"

namespace pannier::http {
namespace {

constexpr std::size_t kPeekDefault = 10;

}  // namespace

// Those that the client could publish to or consume from.
void ApiHandler::list(const ExchangePtr& exchange) {
  std::string out = "{\"queues\":[";
  registry_.for_each([&](const queue::Queue& queue, const queue::QueueDefinition&) {
    if (!registry_.find_queue(queue.name(), 0)) return;
    if (!access_.may(exchange->principal(), Verb::publish, queue.name()) &&
        !access_.may(exchange->principal(), Verb::consume, queue.name()))
      return;
    if (out.back() != '[') out += ',';
    append_queue(out, queue, clock_.now_ms());
  });
  exchange->answer(json_answer(200, out + "]}"));
}

void ApiHandler::show(const ExchangePtr& exchange, const Route& route) {
  auto queue = find(*exchange, route, Verb::publish);
  if (!queue && queue.error().code == Errc::access_denied)
    queue = find(*exchange, route, Verb::consume);
  if (!queue) return fail(*exchange, queue.error());
  std::string out;
  append_queue(out, **queue, clock_.now_ms());
  exchange->answer(json_answer(200, std::move(out)));
}

Result<void> ApiHandler::may_receive() const {
  if (!held_->is_full()) return {};
  return Error{Errc::limit_reached, "too many bytes are on their way to receivers"};
}

void ApiHandler::peek(const ExchangePtr& exchange, const Route& route) {
  std::size_t max = kPeekDefault;
  if (const auto text = exchange->request().parameter("max")) {
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), max);
    const bool is_number = error == std::errc() && end == text->data() + text->size();
    if (!is_number || max < 1 || max > limits_.peek_messages_max)
      return fail(*exchange, {Errc::bad_argument, "'max': expected 1 to " +
                                                      std::to_string(limits_.peek_messages_max) +
                                                      ", found " + quoted_for_people(*text)});
  }
  const auto queue = find(*exchange, route, Verb::consume);
  if (!queue) return fail(*exchange, queue.error());
  if (auto may = may_receive(); !may) return fail(*exchange, may.error());
  // What lies in parts, and what is beyond the limit, is told by its size only.
  const auto answer = [this, alive = alive_, exchange, bytes_max = limits_.receive_bytes_max](
                          const std::vector<queue::Delivery>& found) {
    if (*alive == nullptr) return;
    if (auto may = may_receive(); !may) return fail(*exchange, may.error());
    std::string out = "{\"messages\":[";
    std::uint64_t bytes = 0;
    for (const queue::Delivery& delivery : found) {
      if (out.back() != '[') out += ',';
      ShownMessage shown{&delivery, {}, {}};
      bytes += delivery.message->body.size();
      if (delivery.message->parts == 0 && bytes <= bytes_max)
        shown.body = delivery.message->body.text();
      append_message(out, shown);
    }
    const auto charge = std::make_shared<HeldCharge>(held_);
    charge->set(out.size());
    exchange->answer(json_answer(200, out + "]}"), [charge](bool) {});  // until it is written
  };
  (*queue)->peek(max, answer);
}

void ApiHandler::purge(const ExchangePtr& exchange, const Route& route) {
  const auto queue = find(*exchange, route, Verb::manage);
  if (!queue) return fail(*exchange, queue.error());
  if (auto may = may_wait(); !may) return fail(*exchange, may.error());
  const auto attempt = [this, exchange, queue = *queue] {
    queue::Commit commit = 0;
    const auto purged = queue->purge(commit);
    if (!purged && purged.error().code == Errc::spool_busy) return false;
    if (!purged) return fail(*exchange, purged.error()), true;
    answer_at(commit, [exchange, count = *purged] {
      exchange->answer(json_answer(200, "{\"purged\":" + std::to_string(count) + "}"));
    });
    return true;
  };
  attempt_until(exchange, attempt, limits_.room_wait,
                {Errc::spool_busy, "the disk is behind: try again"});
}

}  // namespace pannier::http
