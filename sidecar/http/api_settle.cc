#include <set>
#include <utility>

#include "common/log.h"
#include "common/quantity.h"
#include "sidecar/http/api.h"
#include "sidecar/http/json_args.h"
#include "sidecar/http/json_text.h"
#include "sidecar/http/message_fields.h"
#include "sidecar/http/receipt_text.h"
#include "sidecar/http/socket_stream.h"

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

std::string list_text(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& each : texts) {
    if (out.back() != '[') out += ',';
    append_string(out, each);
  }
  return out + "]";
}

std::string settled_text(std::size_t settled, const std::vector<std::string>& stale) {
  return "{\"settled\":" + std::to_string(settled) + ",\"stale\":" + list_text(stale) + "}";
}

constexpr std::string_view kNoneStands =
    "none of the receipts stands: their leases have run out, or they are settled";

constexpr std::string_view kLate = "settled, but not known to be durable yet";

std::string none_stands_members(const std::vector<std::string>& receipts) {
  return "\"type\":\"error\",\"code\":\"stale_receipt\",\"detail\":\"" + std::string(kNoneStands) +
         "\",\"receipts\":" + list_text(receipts);
}

Response none_stands(std::string_view target) {
  return problem(409, "stale_receipt", kNoneStands, target);
}

// Everything but the receipts of an ack or a nack: how the messages go back.
Result<queue::Queue::Return> return_in(const JsonArgs& args) {
  auto reason = args.text("reason");
  const auto delay = args.duration("delay");
  if (!reason) return reason.error();
  if (!delay) return delay.error();
  if (*delay && **delay > kMessageTimeMax)
    return Error{Errc::bad_argument, "'delay': expected at most " + duration_text(kMessageTimeMax)};
  if (reason->value_or("").size() > kShortTextMax)
    return Error{Errc::bad_argument, "'reason': expected at most 255 bytes"};
  return queue::Queue::Return{.backs_off = true, .delay = *delay, .reason = reason->value_or("")};
}

Result<std::chrono::milliseconds> lease_in(const JsonArgs& args,
                                           std::chrono::milliseconds lease_max) {
  const auto timeout = args.duration("timeout");
  if (!timeout) return timeout.error();
  if (*timeout && (*timeout)->count() > 0 && **timeout <= lease_max) return **timeout;
  return Error{Errc::bad_argument,
               "'timeout': expected more than 0s, at most " + duration_text(lease_max)};
}

}  // namespace

// What was settled or extended, and whom its answer waits for: our own sync, and each agent whose
// messages these were.
struct ApiHandler::Settling {
  std::vector<std::string> settled, stale;  // as the client wrote them
  std::set<std::shared_ptr<queue::RemoteOrigin>> origins;
  bool has_own = false;
  std::size_t waits = 1;  // one until all have been asked
  bool is_lost = false;

  std::string answer() const { return settled_text(settled.size(), stale); }
  // Of a socket.
  std::string members() const {
    return "\"type\":\"settled\",\"receipts\":" + list_text(settled) +
           ",\"stale\":" + list_text(stale);
  }
};

// Streams that had them get their credit back.
Result<std::shared_ptr<ApiHandler::Settling>> ApiHandler::settle_all(const queue::QueuePtr& queue,
                                                                     const JsonArgs& args,
                                                                     bool is_ack) {
  const auto how = return_in(args);
  if (!how) return how.error();
  auto receipts = read_receipts(args, *queue, limits_.receive_messages_max);
  if (!receipts) return receipts.error();
  const auto settling = std::make_shared<Settling>();
  settling->stale = std::move(receipts->stale);
  std::set<StreamPtr> streams;
  for (auto& [name, receipt] : receipts->own) {
    auto origin = queue->origin_of(receipt);
    const auto holder = stream_context_->holders.find(receipt.delivery);
    if (holder != stream_context_->holders.end() && holder->second->holds(*queue, receipt)) {
      streams.insert(holder->second->shared_from_this());
      holder->second->release(receipt.delivery);
    }
    if (!(is_ack ? queue->ack(receipt) : queue->give_back(receipt, *how))) {
      settling->stale.push_back(std::move(name));
      continue;
    }
    settling->settled.push_back(std::move(name));
    settling->has_own = settling->has_own || !origin;
    if (origin) settling->origins.insert(std::move(origin));
  }
  for (const StreamPtr& stream : streams) stream->regain();
  if (!how->reason.empty() && !settling->settled.empty())
    log::debug("messages were given back", {{"queue", queue->name()},
                                            {"messages", settling->settled.size()},
                                            {"reason", how->reason}});
  return settling;
}

void ApiHandler::settle(const ExchangePtr& exchange, const Route& route) {
  const bool is_ack = route.call == Call::ack;
  const std::string_view text = exchange->request().body.text();
  const auto args = is_ack ? JsonArgs::parse(text, {"receipts"})
                           : JsonArgs::parse(text, {"receipts", "reason", "delay"});
  if (!args) return fail(*exchange, args.error());
  if (auto how = return_in(*args); !how) return fail(*exchange, how.error());
  const auto queue = find(*exchange, route, Verb::consume);
  if (!queue) return fail(*exchange, queue.error());
  if (auto may = may_wait(); !may) return fail(*exchange, may.error());
  const auto settling = settle_all(*queue, *args, is_ack);
  if (!settling) return fail(*exchange, settling.error());
  if ((*settling)->settled.empty())
    return exchange->answer(none_stands(exchange->request().target));
  answer_durable(exchange, *settling);
}

// One time limit for all of it. What was settled stays settled whatever the answer is.
void ApiHandler::answer_durable(const ExchangePtr& exchange,
                                const std::shared_ptr<Settling>& settling) {
  const Error late(Errc::timed_out, std::string(kLate));
  const std::weak_ptr<Exchange> weak = exchange;
  const auto arm = [this, exchange, weak, late] {
    exchange->wake_at(clock_.now() + limits_.settle_wait, [this, alive = alive_, weak, late] {
      if (const ExchangePtr waits = weak.lock(); waits && *alive != nullptr) fail(*waits, late);
    });
  };
  arm();
  const auto done = [this, exchange, settling, late](bool is_durable) {
    exchange->wake_at({}, {});
    if (!is_durable) return fail(*exchange, late);
    exchange->answer(json_answer(200, settling->answer()));
  };
  const auto wait = [this, exchange, arm, late](std::function<bool()> attempt) {
    attempt_until(
        exchange, [attempt = std::move(attempt), arm] { return attempt() && (arm(), true); },
        limits_.settle_wait, late);
  };
  make_durable(settling, done, wait);
}

void ApiHandler::make_durable(const std::shared_ptr<Settling>& settling,
                              const std::function<void(bool is_durable)>& done,
                              const WaitForRoom& wait) {
  const auto one_done = [alive = alive_, settling, done](bool is_durable) {
    settling->is_lost = settling->is_lost || !is_durable;
    if (--settling->waits == 0 && *alive != nullptr) done(!settling->is_lost);
  };
  settling->waits += settling->origins.size();
  // Their callbacks hold the settling, so that it must not hold them.
  for (const auto& origin : std::exchange(settling->origins, {})) origin->when_durable(one_done);
  if (!settling->has_own) return one_done(true);
  wait([this, one_done] {
    registry_.context().journal_changes();
    const auto commit = registry_.spool().flush_settles();
    if (!commit) return false;
    answer_at(*commit, [one_done] { one_done(true); });
    return true;
  });
}

Result<std::shared_ptr<ApiHandler::Settling>> ApiHandler::extend_all(const queue::QueuePtr& queue,
                                                                     const JsonArgs& args) {
  const auto lease = lease_in(args, limits_.lease_max);
  if (!lease) return lease.error();
  auto receipts = read_receipts(args, *queue, limits_.receive_messages_max);
  if (!receipts) return receipts.error();
  const auto settling = std::make_shared<Settling>();
  settling->stale = std::move(receipts->stale);
  for (auto& [name, receipt] : receipts->own) {
    const bool stands = queue->extend(receipt, *lease, queue::Queue::Expiry::counts);
    (stands ? settling->settled : settling->stale).push_back(std::move(name));
    const auto holder = stream_context_->holders.find(receipt.delivery);
    if (stands && holder != stream_context_->holders.end())
      holder->second->prolong(receipt.delivery, clock_.now() + *lease);
  }
  return settling;
}

void ApiHandler::extend(const ExchangePtr& exchange, const Route& route) {
  const auto args = JsonArgs::parse(exchange->request().body.text(), {"receipts", "timeout"});
  if (!args) return fail(*exchange, args.error());
  if (auto lease = lease_in(*args, limits_.lease_max); !lease)
    return fail(*exchange, lease.error());
  const auto queue = find(*exchange, route, Verb::consume);
  if (!queue) return fail(*exchange, queue.error());
  const auto extended = extend_all(*queue, *args);
  if (!extended) return fail(*exchange, extended.error());
  if ((*extended)->settled.empty())
    return exchange->answer(none_stands(exchange->request().target));
  exchange->answer(json_answer(200, (*extended)->answer()));
}

// The same, asked for by a socket, which hears of it by a message.
Result<void> ApiHandler::settle_of(SocketStream& stream, std::string_view text, bool is_ack) {
  const auto args = is_ack ? JsonArgs::parse(text, {"type", "receipts"})
                           : JsonArgs::parse(text, {"type", "receipts", "reason", "delay"});
  if (!args) return args.error();
  if (auto may = may_wait(); !may) return may;
  const auto all = settle_all(stream.queue(), *args, is_ack);
  if (!all) return all.error();
  const std::shared_ptr<Settling>& settling = *all;
  if (settling->settled.empty())
    return stream.say(none_stands_members(settling->stale)), Result<void>();
  const std::string late = "\"type\":\"error\"," +
                           reason_text({Errc::timed_out, std::string(kLate)}) +
                           ",\"receipts\":" + list_text(settling->settled);
  const auto waiting = stream.await(clock_.now() + limits_.settle_wait, late);
  const auto done = [weak = stream.weak_from_this(), waiting, settling, late](bool is_durable) {
    const auto self = std::static_pointer_cast<SocketStream>(weak.lock());
    if (self) self->answer(waiting, is_durable ? settling->members() : late);
  };
  make_durable(settling, done, [this](std::function<bool()> attempt) {
    if (for_room_.empty() && attempt()) return;
    for_room_.push_back(std::make_shared<Retry>(Retry{nullptr, std::move(attempt), false}));
  });
  return {};
}

Result<void> ApiHandler::extend_of(SocketStream& stream, std::string_view text) {
  const auto args = JsonArgs::parse(text, {"type", "receipts", "timeout"});
  if (!args) return args.error();
  const auto extended = extend_all(stream.queue(), *args);
  if (!extended) return extended.error();
  if ((*extended)->settled.empty())
    return stream.say(none_stands_members((*extended)->stale)), Result<void>();
  stream.say("\"type\":\"extended\",\"receipts\":" + list_text((*extended)->settled) +
             ",\"stale\":" + list_text((*extended)->stale));
  return {};
}

}  // namespace pannier::http
