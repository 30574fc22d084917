// The parts of a QueueModel: a consumer that tells the model what it was given, and what the model
// knows of one queue. Private to queue_model*.cc.
#pragma once

#include <charconv>

#include "tests/queue/queue_model.h"

namespace pannier::queue {

inline std::uint64_t id_in(const Message& message) {
  std::uint64_t id = 0;
  const std::string_view text = message.body.text();
  std::from_chars(text.data(), text.data() + text.size(), id);
  return id;
}

class QueueModel::Taker final : public Consumer {
 public:
  Taker(QueueModel& model, Mirror& mirror, int credit)
      : model_(model), mirror_(mirror), credit_(credit) {}
  bool has_credit() const override { return credit_ > 0; }
  void deliver(Queue&, Delivery delivery) override {
    EXPECT_GT(credit_, 0);
    --credit_;
    model_.on_delivery(mirror_, delivery, no_ack);
  }
  void queue_gone(Queue&) override { credit_ = 0; }
  void add_credit(int more) { credit_ += more; }

 private:
  QueueModel& model_;
  Mirror& mirror_;
  int credit_;
};

struct QueueModel::Mirror {
  std::string name;
  bool durable = true;
  QueuePtr queue;
  std::map<Id, Known> ready;
  std::map<Id, Out> unacked;
  std::map<Id, Gone> gone;
  std::vector<Receipt> late;  // of deliveries that ended
  std::list<Taker> takers;
  std::uint64_t dropped = 0;
};

}  // namespace pannier::queue
