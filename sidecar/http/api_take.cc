#include "common/quantity.h"
#include "sidecar/http/api.h"
#include "sidecar/http/message_fields.h"

namespace pannier::http {

// A body in parts on its way to a client: one part after the other, each when the last has left.
struct ApiHandler::Streaming : std::enable_shared_from_this<ApiHandler::Streaming> {
  Streaming(queue::Registry& from, const TakerPtr& taker)
      : registry(from),
        exchange(taker->exchange),
        queue(taker->queue),
        delivery(taker->deliveries.front()) {}

  void read_next() {
    if (is_reading || next == delivery.message->parts) return;
    is_reading = true;
    registry.spool().read_part(
        delivery.message->body_id, next,
        [weak = weak_from_this(), &loop = registry.context().loop](Result<Slice> part) {
          // What is missing is known at once: not out of the call that asks for a piece.
          loop.post([weak, part = std::move(part)] {
            if (const auto self = weak.lock()) self->on_part(part);
          });
        });
  }
  void on_part(const Result<Slice>& part) {
    is_reading = false;
    const ExchangePtr to = exchange.lock();
    if (!to) return;
    if (!part) {
      static_cast<void>(queue->give_back(delivery.receipt, {}));
      return to->cut_off();
    }
    ++next;
    // Whoever still reads it has not forgotten it.
    queue->restart_timeout(delivery.receipt);
    to->put(*part);
  }

  queue::Registry& registry;
  const std::weak_ptr<Exchange> exchange;  // which holds us
  const queue::QueuePtr queue;
  const queue::Delivery delivery;
  std::uint32_t next = 0;
  bool is_reading = false;
};

void ApiHandler::take(const ExchangePtr& exchange, const Route& route) {
  std::chrono::milliseconds wait{0};
  if (const auto text = exchange->request().parameter("wait")) {
    const auto parsed = parse_duration(*text);
    if (!parsed) return fail(*exchange, {Errc::bad_argument, "'wait': " + parsed.error().detail});
    wait = *parsed;
  }
  if (wait > limits_.wait_max)
    return fail(*exchange,
                {Errc::bad_argument, "'wait': at most " + duration_text(limits_.wait_max)});
  const auto queue = find(*exchange, route, Verb::consume);
  if (!queue) return fail(*exchange, queue.error());
  start(exchange, *queue, 1, wait, {});
}

// Without a wait by a get, which asks other agents too; with one as a consumer.
void ApiHandler::start(const ExchangePtr& exchange, const queue::QueuePtr& queue, std::size_t max,
                       std::chrono::milliseconds wait,
                       std::optional<std::chrono::milliseconds> lease) {
  if (takers_.size() >= limits_.takes_waiting)
    return fail(*exchange, {Errc::limit_reached, "too many requests wait for messages"});
  if (auto may = may_receive(); !may) return fail(*exchange, may.error());
  if (queue->has_exclusive_consumer())
    return fail(*exchange, {Errc::access_denied, "queue '" + queue->name() + "' in exclusive use"});
  const auto self = std::make_shared<std::weak_ptr<Taker>>();
  const auto taker = std::make_shared<Taker>(exchange, queue, max, limits_.receive_bytes_max, held_,
                                             [this, self] { note(*self); });
  *self = taker;
  taker->lease = lease;
  takers_.insert(taker);
  const std::weak_ptr<Taker> weak = taker;
  exchange->on_gone([this, alive = alive_, weak] {
    const TakerPtr gone = weak.lock();
    if (*alive != nullptr && gone) drop(gone);
  });
  if (wait.count() > 0) {
    exchange->wake_at(clock_.now() + wait, [this, alive = alive_, weak] {
      const TakerPtr late = weak.lock();
      if (*alive != nullptr && late && !late->has_ended) finish(late);
    });
    return consume(taker);
  }
  queue->get(false, [this, alive = alive_, weak, queue](std::optional<queue::Delivery> delivery) {
    const TakerPtr asked = weak.lock();
    const bool is_there = *alive != nullptr && asked && !asked->has_ended;
    if (is_there && delivery)
      asked->add(std::move(*delivery));
    else if (delivery)
      static_cast<void>(queue->give_back(delivery->receipt, {false}));
    else if (is_there)
      finish(asked);
  });
}

void ApiHandler::consume(const TakerPtr& taker) {
  taker->is_consuming = true;
  taker->queue->add_consumer(*taker);
}

// Those that wait may be given messages again.
void ApiHandler::on_held_room() {
  std::set<queue::QueuePtr> queues;
  for (const TakerPtr& taker : takers_)
    if (taker->is_consuming) queues.insert(taker->queue);
  for (const queue::QueuePtr& queue : queues) queue->pump();
}

// From within the queue's delivery loop: looked at later.
void ApiHandler::note(const std::weak_ptr<Taker>& taker) {
  const TakerPtr noted = taker.lock();
  if (!noted || std::exchange(noted->is_noted, true)) return;
  registry_.context().loop.post([this, alive = alive_, taker] {
    const TakerPtr due = taker.lock();
    if (*alive == nullptr || !due) return;
    due->is_noted = false;
    if (!due->has_ended) on_taken(due);
  });
}

void ApiHandler::on_taken(const TakerPtr& taker) {
  if (taker->queue->is_gone()) {
    drop(taker);
    return fail(*taker->exchange,
                {Errc::not_found, "queue '" + taker->queue->name() + "' has been deleted"});
  }
  if (!taker->is_consuming && !taker->is_full()) consume(taker);
  if (taker->is_full() || taker->queue->deliverable() == 0) return finish(taker);
  if (std::exchange(taker->lingers, true)) return;
  taker->exchange->wake_at(clock_.now() + limits_.linger,
                           [this, alive = alive_, weak = std::weak_ptr<Taker>(taker)] {
                             const TakerPtr late = weak.lock();
                             if (*alive != nullptr && late && !late->has_ended) finish(late);
                           });
}

// The client has gone, or we are going: nobody is at fault.
void ApiHandler::drop(const TakerPtr& taker) {
  taker->end();
  taker->give_back_all(false);
  takers_.erase(taker);
}

void ApiHandler::finish(const TakerPtr& taker) {
  taker->end();
  taker->exchange->wake_at({}, {});
  if (taker->lease) return collect(taker);
  takers_.erase(taker);
  answer_take(taker);
}

// Settled by being written whole; else it comes back as a failed delivery, as over AMQP.
void ApiHandler::answer_take(const TakerPtr& taker) {
  if (taker->deliveries.empty()) {
    Response empty;
    empty.status = 204;
    return taker->exchange->answer(std::move(empty));
  }
  if (taker->exchange->is_gone()) return taker->give_back_all(false);
  const queue::Delivery& delivery = taker->deliveries.front();
  Response response;
  response.fields = fields_of(delivery);
  const auto done = [queue = taker->queue, receipt = delivery.receipt,
                     charge = taker->charge](bool whole) {
    if (whole)
      static_cast<void>(queue->ack(receipt));
    else
      static_cast<void>(queue->give_back(receipt, {}));
  };
  if (delivery.message->parts > 0) return stream(taker, registry_, std::move(response), done);
  response.body = delivery.message->body;
  taker->exchange->answer(std::move(response), done);
}

void ApiHandler::stream(const TakerPtr& taker, queue::Registry& registry, Response head,
                        Exchange::Done done) {
  const auto streaming = std::make_shared<Streaming>(registry, taker);
  const std::uint64_t size = taker->deliveries.front().message->body_size;
  taker->exchange->begin(
      std::move(head), size, [streaming] { streaming->read_next(); }, std::move(done));
}

}  // namespace pannier::http
