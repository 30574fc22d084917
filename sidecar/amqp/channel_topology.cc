#include "sidecar/amqp/channel.h"
#include "sidecar/amqp/codec.h"

namespace pannier::amqp {
namespace {

Result<ExchangeType> exchange_type(const std::string& name) {
  if (name == "direct") return ExchangeType::direct;
  if (name == "fanout") return ExchangeType::fanout;
  if (name == "topic") return ExchangeType::topic;
  if (name == "headers") return ExchangeType::headers;
  return Error{Errc::bad_argument, "unknown exchange type '" + name + "'"};
}

Result<void> not_default(const std::string& exchange) {
  if (!exchange.empty()) return {};
  return Error{Errc::access_denied, "operation not permitted on the default exchange"};
}

// RabbitMQ takes line breaks out of names.
void strip(std::string& name) {
  std::erase_if(name, [](char c) { return c == '\r' || c == '\n'; });
}

template <typename Method, typename Act>
Result<void> with(ByteView payload, Act&& act) {
  auto decoded = decode_request<Method>(payload);
  if (!decoded) return decoded.error();
  if constexpr (requires { decoded->queue; }) strip(decoded->queue);
  if constexpr (requires { decoded->exchange; }) strip(decoded->exchange);
  if constexpr (requires { decoded->source; }) strip(decoded->source);
  if constexpr (requires { decoded->destination; }) strip(decoded->destination);
  return act(*decoded);
}

// Who names neither the queue nor a key means the last queue by its own name (1.7.2).
template <typename Method>
const std::string& key_of(const Method& method, const std::string& last_queue) {
  return method.queue.empty() && method.routing_key.empty() ? last_queue : method.routing_key;
}

}  // namespace

Result<void> Channel::on_exchange_method(MethodId method, ByteView payload) {
  switch (method.method_id) {
    case ExchangeDeclare::kId.method_id:
      return with<ExchangeDeclare>(payload, [this](const auto& m) { return exchange_declare(m); });
    case ExchangeDelete::kId.method_id:
      return with<ExchangeDelete>(payload, [this](const auto& m) { return exchange_delete(m); });
    case ExchangeBind::kId.method_id:
      return with<ExchangeBind>(payload, [this](const auto& m) { return exchange_bind(m); });
    case ExchangeUnbind::kId.method_id:
      return with<ExchangeUnbind>(payload, [this](const auto& m) { return exchange_unbind(m); });
    default: return not_for_us(method);
  }
}

Result<void> Channel::on_queue_method(MethodId method, ByteView payload) {
  switch (method.method_id) {
    case QueueDeclare::kId.method_id:
      return with<QueueDeclare>(payload, [this](const auto& m) { return queue_declare(m); });
    case QueueBind::kId.method_id:
      return with<QueueBind>(payload, [this](const auto& m) { return queue_bind(m); });
    case QueueUnbind::kId.method_id:
      return with<QueueUnbind>(payload, [this](const auto& m) { return queue_unbind(m); });
    case QueuePurge::kId.method_id:
      return with<QueuePurge>(payload, [this](const auto& m) { return queue_purge(m); });
    case QueueDelete::kId.method_id:
      return with<QueueDelete>(payload, [this](const auto& m) { return queue_delete(m); });
    default: return not_for_us(method);
  }
}

Result<void> Channel::exchange_declare(const ExchangeDeclare& method) {
  if (auto may = not_default(method.exchange); !may) return may;
  queue::Commit commit = 0;
  if (method.passive) {
    if (context_.registry.find_exchange(method.exchange) == nullptr)
      return Error{Errc::not_found, "no exchange '" + method.exchange + "' in vhost '/'"};
  } else {
    auto type = exchange_type(method.type);
    if (!type) return type.error();
    const bool exists = context_.registry.find_exchange(method.exchange) != nullptr;
    if (!exists)
      if (auto may = context_.access.may_declare(session_.principal()); !may) return may;
    queue::ExchangeSettings settings;
    settings.name = method.exchange;
    settings.type = *type;
    settings.durable = method.durable;
    settings.auto_delete = method.auto_delete;
    settings.internal = method.internal;
    settings.arguments = method.arguments;
    auto declared = context_.registry.declare_exchange(settings, false);
    if (!declared) return declared.error();
    commit = *declared;
  }
  if (!method.no_wait)
    answer_after(commit, [this] { put_method(output(), id_, ExchangeDeclareOk{}); });
  return {};
}

Result<void> Channel::exchange_delete(const ExchangeDelete& method) {
  if (auto may = not_default(method.exchange); !may) return may;
  if (auto may = context_.access.may_declare(session_.principal()); !may) return may;
  auto deleted = context_.registry.delete_exchange(method.exchange, method.if_unused);
  if (!deleted) return deleted.error();
  if (!method.no_wait)
    answer_after(*deleted, [this] { put_method(output(), id_, ExchangeDeleteOk{}); });
  return {};
}

Result<void> Channel::exchange_bind(const ExchangeBind& method) {
  if (auto may = not_default(method.destination); !may) return may;
  if (auto may = context_.access.may_declare(session_.principal()); !may) return may;
  queue::Binding binding{{queue::Destination::Kind::exchange, method.destination},
                         method.routing_key,
                         method.arguments,
                         false};
  auto bound = context_.registry.bind(method.source, std::move(binding), session_.owner());
  if (!bound) return bound.error();
  if (!method.no_wait)
    answer_after(*bound, [this] { put_method(output(), id_, ExchangeBindOk{}); });
  return {};
}

Result<void> Channel::exchange_unbind(const ExchangeUnbind& method) {
  if (auto may = not_default(method.destination); !may) return may;
  if (auto may = context_.access.may_declare(session_.principal()); !may) return may;
  const queue::Binding binding{{queue::Destination::Kind::exchange, method.destination},
                               method.routing_key,
                               method.arguments,
                               false};
  auto unbound = context_.registry.unbind(method.source, binding, session_.owner());
  if (!unbound) return unbound.error();
  if (!method.no_wait)
    answer_after(*unbound, [this] { put_method(output(), id_, ExchangeUnbindOk{}); });
  return {};
}

// An empty name is the last queue that was declared on this channel.
Result<std::string> Channel::queue_name(const std::string& given) const {
  if (!given.empty()) return given;
  if (last_queue_.empty()) return Error{Errc::not_found, "no previously declared queue"};
  return last_queue_;
}

Result<void> Channel::queue_declare(const QueueDeclare& method) {
  if (method.queue.starts_with(kReplyTo)) return declare_reply_queue(method);
  queue::QueuePtr queue;
  queue::Commit commit = 0;
  if (method.passive) {  // an empty name is none here
    auto found = context_.registry.find_queue(method.queue, session_.owner());
    if (!found) return found.error();
    queue = *found;
  } else {
    const bool exists =
        !method.queue.empty() && context_.registry.definition_of(method.queue) != nullptr;
    if (!exists)
      if (auto may = context_.access.may_declare(session_.principal()); !may) return may;
    queue::QueueDefinition definition;
    definition.name = method.queue;
    definition.durable = method.durable;
    definition.exclusive = method.exclusive;
    definition.auto_delete = method.auto_delete;
    definition.arguments = method.arguments;
    auto declared = context_.registry.declare_queue(std::move(definition), session_.owner());
    if (!declared) return declared.error();
    queue = declared->queue;
    commit = declared->commit;
  }
  last_queue_ = queue->name();
  if (method.no_wait) return {};
  answer_after(commit, [this, queue] {
    const queue::QueueStatus status = queue->status();
    put_method(output(), id_,
               QueueDeclareOk{queue->name(), static_cast<std::uint32_t>(status.ready),
                              static_cast<std::uint32_t>(status.consumers)});
  });
  return {};
}

Result<void> Channel::queue_bind(const QueueBind& method) {
  if (auto may = context_.access.may_declare(session_.principal()); !may) return may;
  auto name = queue_name(method.queue);
  if (!name) return name.error();
  queue::Binding binding{
      {queue::Destination::Kind::queue, *name}, key_of(method, *name), method.arguments, false};
  auto bound = context_.registry.bind(method.exchange, std::move(binding), session_.owner());
  if (!bound) return bound.error();
  if (!method.no_wait) answer_after(*bound, [this] { put_method(output(), id_, QueueBindOk{}); });
  return {};
}

Result<void> Channel::queue_unbind(const QueueUnbind& method) {
  if (auto may = context_.access.may_declare(session_.principal()); !may) return may;
  auto name = queue_name(method.queue);
  if (!name) return name.error();
  const queue::Binding binding{
      {queue::Destination::Kind::queue, *name}, key_of(method, *name), method.arguments, false};
  auto unbound = context_.registry.unbind(method.exchange, binding, session_.owner());
  if (!unbound) return unbound.error();
  answer_after(*unbound, [this] { put_method(output(), id_, QueueUnbindOk{}); });
  return {};
}

Result<void> Channel::queue_purge(const QueuePurge& method) {
  auto name = queue_name(method.queue);
  if (!name) return name.error();
  auto found = context_.registry.find_queue(*name, session_.owner());
  if (!found) return found.error();
  if (auto may = context_.access.may(session_.principal(), Verb::manage, *name); !may) return may;
  queue::Commit commit = 0;
  auto purged = (*found)->purge(commit);
  if (!purged) return purged.error();
  if (!method.no_wait)
    answer_after(commit, [this, count = static_cast<std::uint32_t>(*purged)] {
      put_method(output(), id_, QueuePurgeOk{count});
    });
  return {};
}

Result<void> Channel::queue_delete(const QueueDelete& method) {
  auto name = queue_name(method.queue);
  if (!name) return name.error();
  if (auto may = context_.access.may(session_.principal(), Verb::manage, *name); !may) return may;
  auto deleted =
      context_.registry.delete_queue(*name, session_.owner(), method.if_unused, method.if_empty);
  if (!deleted) return deleted.error();
  if (!method.no_wait)
    answer_after(deleted->commit, [this, count = static_cast<std::uint32_t>(deleted->messages)] {
      put_method(output(), id_, QueueDeleteOk{count});
    });
  return {};
}

}  // namespace pannier::amqp
