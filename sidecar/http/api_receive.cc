#include "common/quantity.h"
#include "sidecar/http/api.h"
#include "sidecar/http/json_args.h"
#include "sidecar/http/message_json.h"
#include "sidecar/http/receipt_text.h"

namespace pannier::http {

void ApiHandler::receive(const ExchangePtr& exchange, const Route& route) {
  const auto args = JsonArgs::parse(exchange->request().body.text(), {"max", "wait", "ackTimeout"});
  if (!args) return fail(*exchange, args.error());
  const auto max = args->count("max");
  const auto wait = args->duration("wait");
  const auto timeout = args->duration("ackTimeout");
  for (const Error* error : {max ? nullptr : &max.error(), wait ? nullptr : &wait.error(),
                             timeout ? nullptr : &timeout.error()})
    if (error != nullptr) return fail(*exchange, *error);
  if (max->value_or(1) < 1 || max->value_or(1) > limits_.receive_messages_max)
    return fail(*exchange, {Errc::bad_argument, "'max': expected 1 to " +
                                                    std::to_string(limits_.receive_messages_max)});
  if (wait->value_or(limits_.wait_max) > limits_.wait_max)
    return fail(*exchange,
                {Errc::bad_argument, "'wait': at most " + duration_text(limits_.wait_max)});
  if (*timeout && (**timeout > limits_.lease_max || timeout->value().count() == 0))
    return fail(*exchange, {Errc::bad_argument, "'ackTimeout': more than 0s, at most " +
                                                    duration_text(limits_.lease_max)});
  const auto queue = find(*exchange, route, Verb::consume);
  if (!queue) return fail(*exchange, queue.error());
  const auto of_queue = std::min((*queue)->settings().ack_timeout, limits_.lease_max);
  const std::chrono::milliseconds usual =
      of_queue.count() > 0 ? of_queue : std::chrono::milliseconds(kHttpAckTimeoutDefault);
  start(exchange, *queue, max->value_or(1), wait->value_or(std::chrono::milliseconds(0)),
        timeout->value_or(usual));
}

// The bodies, one after the other. Meanwhile the lease runs, and the client may still go.
void ApiHandler::collect(const TakerPtr& taker) {
  if (taker->is_over()) taker->give_back_last();
  if (taker->bodies.empty()) {
    taker->bodies.resize(taker->deliveries.size());
    for (const queue::Delivery& delivery : taker->deliveries)
      static_cast<void>(
          taker->queue->extend(delivery.receipt, *taker->lease, queue::Queue::Expiry::counts));
  }
  for (; taker->next < taker->deliveries.size(); ++taker->next) {
    const queue::Message& message = *taker->deliveries[taker->next].message;
    if (message.parts > 0) return read_part(taker);
    taker->bodies[taker->next] = message.body;
  }
  takers_.erase(taker);
  answer_receive(taker);
}

void ApiHandler::read_part(const TakerPtr& taker) {
  const queue::Message& message = *taker->deliveries[taker->next].message;
  registry_.spool().read_part(message.body_id, taker->next_part,
                              [this, alive = alive_, weak = std::weak_ptr<Taker>(taker),
                               &loop = registry_.context().loop](Result<Slice> part) {
                                loop.post([this, alive, weak, part = std::move(part)] {
                                  const TakerPtr reader = weak.lock();
                                  if (*alive == nullptr || !reader || !takers_.contains(reader))
                                    return;
                                  on_part(reader, part);
                                });
                              });
}

// One that cannot be read is not in the answer.
void ApiHandler::on_part(const TakerPtr& taker, const Result<Slice>& part) {
  const auto at = static_cast<std::ptrdiff_t>(taker->next);
  if (!part) {
    static_cast<void>(taker->queue->give_back(taker->deliveries[taker->next].receipt, {}));
    taker->deliveries.erase(taker->deliveries.begin() + at);
    taker->bodies.erase(taker->bodies.begin() + at);
    taker->next_part = 0;
    taker->part_bytes.clear();
    return collect(taker);
  }
  const ByteView bytes = part->view();
  taker->part_bytes.insert(taker->part_bytes.end(), bytes.begin(), bytes.end());
  if (++taker->next_part < taker->deliveries[taker->next].message->parts) return read_part(taker);
  taker->bodies[taker->next] = Slice::copy_of(taker->part_bytes);
  taker->next_part = 0;
  taker->part_bytes = {};
  ++taker->next;
  collect(taker);
}

void ApiHandler::answer_receive(const TakerPtr& taker) {
  std::string out = "{\"messages\":[";
  std::vector<queue::Receipt> sent;
  for (std::size_t i = 0; i < taker->deliveries.size(); ++i) {
    const queue::Delivery& delivery = taker->deliveries[i];
    // From now on, unless it has run out already.
    if (!taker->queue->extend(delivery.receipt, *taker->lease, queue::Queue::Expiry::counts))
      continue;
    if (!sent.empty()) out += ',';
    sent.push_back(delivery.receipt);
    append_message(out, {&delivery, receipt_text(taker->queue->id(), delivery.receipt),
                         taker->bodies[i].text()});
  }
  out += "]}";
  if (taker->exchange->is_gone()) return taker->give_back_all(false);
  taker->charge->set(out.size());
  taker->exchange->answer(
      json_answer(200, std::move(out)),
      [queue = taker->queue, sent = std::move(sent), charge = taker->charge](bool whole) {
        if (whole) return;
        for (const queue::Receipt& receipt : sent) static_cast<void>(queue->give_back(receipt, {}));
      });
}

}  // namespace pannier::http
