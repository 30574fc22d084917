#include "sidecar/http/api.h"
#include "sidecar/http/json_text.h"
#include "sidecar/http/message_fields.h"

namespace pannier::http {
namespace {

constexpr std::string_view kHowToDeduplicate =
    ": spec.delivery.dedup of a MessageQueue, by MessageId, does so; or leave the key out";

// Whoever asks for it must not be left to believe in it.
Result<void> check_deduplicates(const queue::Queue& queue) {
  const auto& dedup = queue.settings().dedup;
  if (dedup && dedup->by == DedupBy::message_id) return {};
  return Error{Errc::precondition, "Idempotency-Key: queue '" + queue.name() +
                                       "' does not deduplicate" +
                                       (dedup ? " by it, but by ProducerSequence" : "") +
                                       std::string(kHowToDeduplicate)};
}

std::string confirmation(std::string_view key, std::string_view ids, const queue::Queue& queue) {
  std::string out = "{";
  append_key(out, key);
  out += ids;
  out += ",\"queue\":";
  append_string(out, queue.name());
  const bool is_memory = queue.settings().durability == Durability::memory;
  out += is_memory ? ",\"durability\":\"Memory\"}" : ",\"durability\":\"Disk\"}";
  return out;
}

}  // namespace

// A name that nobody knows is a queue from now on, where clients may declare: durable, as AMQP's.
Result<queue::QueuePtr> ApiHandler::find_or_declare(Exchange& exchange, const Route& route) {
  if (route.queue.size() > queue::kNameSizeMax)
    return Error{Errc::bad_argument, "a queue's name has at most 255 bytes"};
  auto found = find(exchange, route, Verb::publish);
  if (found || found.error().code != Errc::not_found) return found;
  if (auto may = access_.may_declare(exchange.principal()); !may) return found;
  if (auto may = access_.may(exchange.principal(), Verb::publish, route.queue); !may)
    return may.error();
  if (exchange.request().field("Idempotency-Key"))
    return Error{Errc::precondition, "Idempotency-Key: there is no queue '" + route.queue +
                                         "', and one that a publish makes does not deduplicate" +
                                         std::string(kHowToDeduplicate)};
  queue::QueueDefinition definition;
  definition.name = route.queue;
  auto declared = registry_.declare_queue(std::move(definition), 0);
  if (!declared) return declared.error();
  return declared->queue;
}

// Properties cross to AMQP's consumers and to other agents in one frame.
Result<void> ApiHandler::check_size(const queue::Message& message) const {
  if (message.body_size > limits_.message_bytes_max)
    return Error{Errc::too_large,
                 "a message has at most " + std::to_string(limits_.message_bytes_max) + " bytes"};
  if (message.properties().size() > limits_.properties_bytes_max)
    return Error{Errc::too_large, "a message's headers and properties have at most " +
                                      std::to_string(limits_.properties_bytes_max) + " bytes"};
  return {};
}

void ApiHandler::publish(const ExchangePtr& exchange, const Route& route) {
  Request& request = exchange->request();
  const auto properties = properties_of(request);
  if (!properties) return fail(*exchange, properties.error());
  if (auto may = may_wait(); !may) return fail(*exchange, may.error());
  auto message = message_of(route.queue, *properties, clock_.now_ms());
  if (!message) return fail(*exchange, message.error());
  message->body = request.body;
  message->body_id = request.body_id;
  message->parts = request.body_parts;
  message->body_size = request.body_id != 0 ? request.body_size : request.body.size();
  message->attributes = attributes_of(*properties);
  if (auto fits = check_size(*message); !fits) return fail(*exchange, fits.error());
  const auto made = std::make_shared<const queue::Message>(std::move(*message));
  const auto attempt = [this, exchange, route, made, id = *properties->message_id] {
    // Anew each time: it may have been deleted, or the policy changed, while this waited.
    const auto queue = find_or_declare(*exchange, route);
    if (!queue && queue.error().code == Errc::spool_busy) return false;
    if (!queue) return fail(*exchange, queue.error()), true;
    if (exchange->request().field("Idempotency-Key"))
      if (auto does = check_deduplicates(**queue); !does)
        return fail(*exchange, does.error()), true;
    return try_publish(exchange, *queue, made, id);
  };
  attempt_until(exchange, attempt, limits_.room_wait,
                {Errc::spool_busy, "the disk is behind: try again"});
}

bool ApiHandler::try_publish(const ExchangePtr& exchange, const queue::QueuePtr& queue,
                             const queue::MessagePtr& message, const std::string& id) {
  const auto published = registry_.publish_to({queue}, message);
  if (!published && published.error().code == Errc::spool_busy) return false;
  if (!published) return fail(*exchange, published.error()), true;
  if (!published->taken && !published->duplicate)
    return fail(*exchange, {Errc::queue_full, published->why}), true;
  if (published->taken) exchange->request().body_id = 0;  // else its parts go with the request
  std::string quoted;
  append_string(quoted, id);
  std::string body = confirmation("id", quoted, *queue);
  if (published->duplicate) body.insert(body.size() - 1, ",\"duplicate\":true");
  answer_at(published->commit,
            [exchange, body = std::move(body)] { exchange->answer(json_answer(201, body)); });
  return true;
}

bool ApiHandler::try_batch(const ExchangePtr& exchange, const queue::QueuePtr& queue,
                           const std::vector<queue::MessagePtr>& batch, const std::string& ids) {
  const auto commit = registry_.publish_batch(queue, batch);
  if (!commit && commit.error().code == Errc::spool_busy) return false;
  if (!commit) return fail(*exchange, commit.error()), true;
  answer_at(*commit, [exchange, body = confirmation("ids", ids, *queue)] {
    exchange->answer(json_answer(201, body));
  });
  return true;
}

}  // namespace pannier::http
