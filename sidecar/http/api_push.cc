#include <charconv>

#include "common/quantity.h"
#include "sidecar/http/api.h"
#include "sidecar/http/event_stream.h"
#include "sidecar/http/json_args.h"
#include "sidecar/http/socket_stream.h"

namespace pannier::http {

Result<StreamOptions> ApiHandler::stream_options(const Request& request,
                                                 const queue::Queue& queue) const {
  StreamOptions options;
  options.credit = limits_.stream_credit_default;
  if (const auto text = request.parameter("max")) {
    const auto [end, error] =
        std::from_chars(text->data(), text->data() + text->size(), options.credit);
    const bool is_number = error == std::errc() && end == text->data() + text->size();
    if (!is_number || options.credit < 1 || options.credit > limits_.stream_credit_max)
      return Error{Errc::bad_argument, "'max': expected 1 to " +
                                           std::to_string(limits_.stream_credit_max) + ", found " +
                                           quoted_for_people(*text)};
  }
  const auto settles = request.parameter("autoAck");
  if (settles && *settles != "true" && *settles != "false")
    return Error{Errc::bad_argument, "'autoAck': expected true or false"};
  options.settles_itself = settles == "true";
  options.lease = std::min(queue.settings().ack_timeout, limits_.lease_max);
  if (options.lease.count() == 0) options.lease = kHttpAckTimeoutDefault;
  if (const auto text = request.parameter("ackTimeout")) {
    const auto lease = parse_duration(*text);
    if (!lease) return Error{Errc::bad_argument, "'ackTimeout': " + lease.error().detail};
    if (lease->count() == 0 || *lease > limits_.lease_max)
      return Error{Errc::bad_argument,
                   "'ackTimeout': more than 0s, at most " + duration_text(limits_.lease_max)};
    options.lease = *lease;
  }
  return options;
}

void ApiHandler::open_stream(const ExchangePtr& exchange, const Route& route) {
  const Request& request = exchange->request();
  const auto queue = find(*exchange, route, Verb::consume);
  if (!queue) return fail(*exchange, queue.error());
  const auto options = stream_options(request, **queue);
  if (!options) return fail(*exchange, options.error());
  if (request.body.size() > 0)
    return fail(*exchange, {Errc::bad_argument, "a stream is asked for without a body"});
  if (streams_.size() >= limits_.streams)
    return fail(*exchange, {Errc::limit_reached, "too many streams are open"});
  if ((*queue)->has_exclusive_consumer())
    return fail(*exchange,
                {Errc::access_denied, "queue '" + (*queue)->name() + "' in exclusive use"});
  StreamPtr stream;
  Response head = EventStream::head();
  if (asks_for_web_socket(request)) {
    head = web_socket_answer(request);
    if (head.status != 101) return exchange->answer(std::move(head));
    stream = std::make_shared<SocketStream>(
        stream_context_, exchange, *queue, *options,
        [this, alive = alive_](SocketStream& socket, std::string_view text) {
          if (*alive != nullptr) command(socket, text);
        });
  } else {
    stream = std::make_shared<EventStream>(stream_context_, exchange, *queue, *options);
  }
  streams_.insert(stream);
  stream->begin(std::move(head));
}

void ApiHandler::command(SocketStream& stream, std::string_view text) {
  if (auto done = carry_out(stream, text); !done)
    stream.say("\"type\":\"error\"," + reason_text(done.error()));
}

// Read twice: what it is, and then strictly as that.
Result<void> ApiHandler::carry_out(SocketStream& stream, std::string_view text) {
  const auto any = JsonArgs::parse(text, {"type", "receipts", "reason", "delay", "timeout", "max"});
  if (!any) return any.error();
  const auto type = any->text("type");
  if (!type) return type.error();
  if (*type == "ack" || *type == "nack") return settle_of(stream, text, *type == "ack");
  if (*type == "extend") return extend_of(stream, text);
  if (*type != "credit")
    return Error{Errc::bad_argument, "'type': expected ack, nack, extend or credit"};
  const auto args = JsonArgs::parse(text, {"type", "max"});
  if (!args) return args.error();
  const auto max = args->count("max");
  if (!max) return max.error();
  if (!*max || **max > limits_.stream_credit_max)
    return Error{Errc::bad_argument,
                 "'max': expected 0 to " + std::to_string(limits_.stream_credit_max)};
  stream.set_credit(static_cast<std::size_t>(**max));
  return {};
}

// A queue that was made anew under the name is another one.
void ApiHandler::on_policy() {
  for (const StreamPtr& stream : std::set<StreamPtr>(streams_)) {
    Route route;
    route.queue = stream->queue()->name();
    const auto queue = find(*stream->exchange(), route, Verb::consume);
    if (!queue)
      stream->end(queue.error());
    else if (*queue != stream->queue())
      stream->end({Errc::not_found, "queue '" + route.queue + "' has been deleted"});
  }
}

void ApiHandler::on_streams_room() {
  std::set<queue::QueuePtr> queues;
  for (const StreamPtr& stream : streams_) queues.insert(stream->queue());
  for (const queue::QueuePtr& queue : queues) queue->pump();
}

}  // namespace pannier::http
