#include <set>
#include <utility>

#include "common/log.h"
#include "common/quantity.h"
#include "sidecar/http/api.h"
#include "sidecar/http/json_args.h"
#include "sidecar/http/json_text.h"
#include "sidecar/http/message_fields.h"
#include "sidecar/http/receipt_text.h"

namespace pannier::http {
namespace {

struct Receipts {
  std::vector<std::pair<std::string, queue::Receipt>> own;  // of this queue, as the client wrote it
  std::vector<std::string> stale;                           // of a queue that is gone
};

Result<Receipts> read_receipts(const JsonArgs& args, const queue::Queue& queue, std::size_t max) {
  const auto texts = args.texts("receipts", max);
  if (!texts) return texts.error();
  Receipts receipts;
  for (const std::string& text : *texts) {
    const auto named = parse_receipt(text);
    if (!named)
      return Error{Errc::bad_argument, "'receipts': no receipt: " + quoted_for_people(text)};
    if (named->queue == queue.id())
      receipts.own.emplace_back(text, named->receipt);
    else
      receipts.stale.push_back(text);
  }
  return receipts;
}

std::string settled_text(std::size_t settled, const std::vector<std::string>& stale) {
  std::string out = "{\"settled\":" + std::to_string(settled) + ",\"stale\":[";
  for (const std::string& each : stale) {
    if (out.back() != '[') out += ',';
    append_string(out, each);
  }
  return out + "]}";
}

Response none_stands(std::string_view target) {
  return problem(409, "stale_receipt",
                 "none of the receipts stands: their leases have run out, or they are settled",
                 target);
}

}  // namespace

// An answer on its way: it waits for our own sync, and for each agent whose messages these were.
struct ApiHandler::Settling {
  std::string answer;
  std::set<std::shared_ptr<queue::RemoteOrigin>> origins;
  bool has_own = false;
  std::size_t waits = 1;  // one until all have been asked
  bool is_lost = false;
};

void ApiHandler::settle(const ExchangePtr& exchange, const Route& route) {
  const bool is_ack = route.call == Call::ack;
  const std::string_view text = exchange->request().body.text();
  const auto args = is_ack ? JsonArgs::parse(text, {"receipts"})
                           : JsonArgs::parse(text, {"receipts", "reason", "delay"});
  if (!args) return fail(*exchange, args.error());
  const auto reason = args->text("reason");
  const auto delay = args->duration("delay");
  if (!reason) return fail(*exchange, reason.error());
  if (!delay) return fail(*exchange, delay.error());
  if (*delay && (*delay)->count() > 0)
    return fail(*exchange, {Errc::not_supported,
                            "'delay' is not supported by this release: leave it out, or send 0"});
  if (reason->value_or("").size() > kShortTextMax)
    return fail(*exchange, {Errc::bad_argument, "'reason': expected at most 255 bytes"});
  const auto found = find(*exchange, route, Verb::consume);
  if (!found) return fail(*exchange, found.error());
  if (auto may = may_wait(); !may) return fail(*exchange, may.error());
  const queue::QueuePtr queue = *found;
  auto receipts = read_receipts(*args, *queue, limits_.receive_messages_max);
  if (!receipts) return fail(*exchange, receipts.error());
  const auto settling = std::make_shared<Settling>();
  std::size_t settled = 0;
  for (const auto& [name, receipt] : receipts->own) {
    auto origin = queue->origin_of(receipt);
    if (!(is_ack ? queue->ack(receipt) : queue->give_back(receipt, {}))) {
      receipts->stale.push_back(name);
      continue;
    }
    ++settled;
    settling->has_own = settling->has_own || !origin;
    if (origin) settling->origins.insert(std::move(origin));
  }
  if (settled == 0) return exchange->answer(none_stands(exchange->request().target));
  if (*reason)
    log::debug("messages were given back",
               {{"queue", queue->name()}, {"messages", settled}, {"reason", **reason}});
  settling->answer = settled_text(settled, receipts->stale);
  answer_durable(exchange, settling);
}

// One time limit for all of it. What was settled stays settled whatever the answer is.
void ApiHandler::answer_durable(const ExchangePtr& exchange,
                                const std::shared_ptr<Settling>& settling) {
  const Error late(Errc::timed_out, "settled, but not known to be durable yet");
  const std::weak_ptr<Exchange> weak = exchange;
  const auto one_done = [this, alive = alive_, exchange, settling, late](bool is_durable) {
    settling->is_lost = settling->is_lost || !is_durable;
    if (--settling->waits > 0 || *alive == nullptr) return;
    exchange->wake_at({}, {});
    if (settling->is_lost) return fail(*exchange, late);
    exchange->answer(json_answer(200, settling->answer));
  };
  settling->waits += settling->origins.size();
  const auto arm = [this, exchange, weak, late] {
    exchange->wake_at(clock_.now() + limits_.settle_wait, [this, alive = alive_, weak, late] {
      if (const ExchangePtr waits = weak.lock(); waits && *alive != nullptr) fail(*waits, late);
    });
  };
  arm();
  // Their callbacks hold the settling, so that it must not hold them.
  for (const auto& origin : std::exchange(settling->origins, {})) origin->when_durable(one_done);
  if (!settling->has_own) return one_done(true);
  const auto attempt = [this, one_done, arm] {
    registry_.context().journal_changes();
    const auto commit = registry_.spool().flush_settles();
    if (!commit) return false;
    answer_at(*commit, [one_done] { one_done(true); });
    arm();
    return true;
  };
  attempt_until(exchange, attempt, limits_.settle_wait, late);
}

void ApiHandler::extend(const ExchangePtr& exchange, const Route& route) {
  const auto args = JsonArgs::parse(exchange->request().body.text(), {"receipts", "timeout"});
  if (!args) return fail(*exchange, args.error());
  const auto timeout = args->duration("timeout");
  if (!timeout) return fail(*exchange, timeout.error());
  if (!*timeout || (*timeout)->count() == 0 || **timeout > limits_.lease_max)
    return fail(*exchange, {Errc::bad_argument, "'timeout': expected more than 0s, at most " +
                                                    duration_text(limits_.lease_max)});
  const auto queue = find(*exchange, route, Verb::consume);
  if (!queue) return fail(*exchange, queue.error());
  auto receipts = read_receipts(*args, **queue, limits_.receive_messages_max);
  if (!receipts) return fail(*exchange, receipts.error());
  std::size_t extended = 0;
  for (const auto& [name, receipt] : receipts->own) {
    if ((*queue)->extend(receipt, **timeout, queue::Queue::Expiry::counts))
      ++extended;
    else
      receipts->stale.push_back(name);
  }
  if (extended == 0) return exchange->answer(none_stands(exchange->request().target));
  exchange->answer(json_answer(200, settled_text(extended, receipts->stale)));
}

}  // namespace pannier::http
