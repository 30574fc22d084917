#include "tests/queue/queue_model.h"

#include "tests/queue/queue_model_parts.h"

namespace pannier::queue {

using std::chrono::milliseconds;

QueueModel::QueueModel(std::uint64_t seed, ModelCounts& counts)
    : random_(seed), counts_(counts), disk_(std::make_unique<MemoryDisk>(seed)) {
  limits_.message_bytes = 3'000 + pick(10) * 2'000;
  limits_.reading_bytes = 500 + pick(4) * 1'000;
  limits_.window_entries = 8 + pick(4) * 16;
  limits_.window_entries_min = 2 + pick(4);
  limits_.read_ahead_messages = 1 + pick(6);
  const std::size_t count = 2 + pick(4);
  for (std::size_t i = 0; i < count; ++i) {
    auto& mirror = queues_.emplace_back(std::make_unique<Mirror>());
    mirror->name = "q" + std::to_string(i);
    mirror->durable = i == 0 || chance(70);
  }
  open();
}

QueueModel::~QueueModel() {
  for (auto& mirror : queues_) mirror->queue.reset();
}

void QueueModel::open() {
  agent_ = std::make_unique<QueueHarness>(*disk_, limits_);
  for (auto& mirror : queues_) declare(*mirror);
  settle_down();
}

void QueueModel::declare(Mirror& mirror) {
  mirror.queue = agent_->find(mirror.name);
  mirror.dropped = 0;
  if (mirror.queue != nullptr) return;
  mirror.queue = agent_->declare(mirror.name, {}, mirror.durable);
  ASSERT_TRUE(agent_->registry->bind("amq.fanout",
                                     {{Destination::Kind::queue, mirror.name}, "", {}, false}, 0));
}

void QueueModel::live(int actions) {
  for (int i = 0; i < actions && !failed(); ++i) {
    act();
    for (auto& mirror : queues_) check(*mirror);
    check_all();
  }
}

void QueueModel::act() {
  const std::uint64_t what = pick(100);
  if (what < 40) return publish();
  if (what < 62) return settle_one(any());
  if (what < 72) return change_consumers(any());
  if (what < 77) return get(any());
  if (what < 80) return change_settings(any());
  if (what < 81) return purge(any());
  if (what < 82) return chance(30) ? remove(any()) : run_some();
  if (what < 86) return pass_time();
  if (what < 96) return run_some();
  if (what < 98) return agent_->turn();
  settle_down();
}

bool QueueModel::is_over(const Mirror& mirror, std::uint64_t bytes, std::uint64_t messages) const {
  const QueueSettings& settings = mirror.queue->settings();
  messages += mirror.ready.size();
  for (const auto& [id, known] : mirror.ready) bytes += known.bytes;
  if (settings.limits_count_unacked) {
    messages += mirror.unacked.size();
    for (const auto& [id, out] : mirror.unacked) bytes += out.known.bytes;
  }
  return (settings.messages_max > 0 && messages > settings.messages_max) ||
         (settings.bytes_max > 0 && bytes > settings.bytes_max);
}

void QueueModel::publish() {
  std::vector<Mirror*> to;
  const bool fan_out = chance(20);
  for (auto& mirror : queues_)
    if (fan_out) to.push_back(mirror.get());
  if (!fan_out) to.push_back(&any());
  const int burst = chance(20) ? 20 : 1;
  for (int i = 0; i < burst; ++i) {
    const Id id = ++last_;
    const std::string body = std::to_string(id) + " " + std::string(pick(300), 'x');
    const MessagePtr made = message(body, fan_out ? "amq.fanout" : "", to.front()->name);
    std::vector<Mirror*> taking;
    for (Mirror* mirror : to) {
      note_drops(*mirror);
      const bool refuses = mirror->queue->settings().overflow == Overflow::reject_publish &&
                           is_over(*mirror, made->bytes(), 1);
      if (!refuses) taking.push_back(mirror);
    }
    // Deliveries may come from within: the message has to be known before.
    for (Mirror* mirror : taking) mirror->ready[id].bytes = made->bytes();
    const auto published =
        agent_->registry->publish(fan_out ? "amq.fanout" : "", to.front()->name, made);
    if (!published) {
      for (Mirror* mirror : taking) mirror->ready.erase(id);
      agent_->turn();
      continue;
    }
    EXPECT_EQ(published->refused, taking.size() < to.size());
    counts_.refused += published->refused ? 1 : 0;
    for (Mirror* mirror : taking) {
      note_drops(*mirror);
      const Durability durability = mirror->queue->settings().durability;
      const Commit commit = durability == Durability::memory ? 0 : published->commit;
      if (auto at = mirror->ready.find(id); at != mirror->ready.end()) at->second.commit = commit;
      if (auto at = mirror->unacked.find(id); at != mirror->unacked.end())
        at->second.known.commit = commit;
    }
  }
}

void QueueModel::note_drops(Mirror& mirror) {
  const std::uint64_t now = mirror.queue->status().counters.dropped;
  for (; mirror.dropped < now; ++mirror.dropped) {
    ++counts_.dropped;
    ASSERT_FALSE(mirror.ready.empty());
    EXPECT_TRUE(is_over(mirror, 0, 0)) << mirror.name;
    const auto oldest = mirror.ready.begin();
    mirror.gone[oldest->first] = {oldest->second, 0};
    mirror.ready.erase(oldest);
  }
}

void QueueModel::on_delivery(Mirror& mirror, const Delivery& delivery, bool no_ack) {
  note_drops(mirror);
  ++counts_.delivered;
  const Id id = id_in(*delivery.message);
  ASSERT_FALSE(mirror.ready.empty()) << mirror.name << " delivered " << id << " out of nothing";
  const auto oldest = mirror.ready.begin();
  ASSERT_EQ(id, oldest->first) << mirror.name << " is out of order";
  EXPECT_FALSE(mirror.queue->settings().paused);
  Known known = oldest->second;
  mirror.ready.erase(oldest);
  EXPECT_EQ(delivery.message->bytes(), known.bytes);
  EXPECT_EQ(delivery.delivery_count, known.count);
  EXPECT_EQ(delivery.redelivered, known.redelivered) << mirror.name << " " << id;
  known.was_delivered = true;
  if (no_ack) {
    mirror.gone[id] = {known, 0};
    return;
  }
  Out out{known, delivery.receipt, {}, false};
  const milliseconds timeout = mirror.queue->settings().ack_timeout;
  if (timeout.count() > 0) out.deadline = agent_->clock.now() + timeout;
  mirror.unacked[id] = out;
}

void QueueModel::give_back(Mirror& mirror, std::map<Id, Out>::iterator at, bool counts) {
  ++counts_.returned;
  mirror.late.push_back(at->second.receipt);
  Known known = at->second.known;
  known.redelivered = true;
  if (counts) ++known.count;
  mirror.ready[at->first] = known;
  mirror.unacked.erase(at);
}

void QueueModel::settle_one(Mirror& mirror) {
  if (!mirror.late.empty() && chance(20)) {
    ++counts_.late_acks;
    EXPECT_FALSE(mirror.queue->ack(mirror.late[pick(mirror.late.size())]));
  }
  if (mirror.unacked.empty()) return;
  auto at = mirror.unacked.begin();
  std::advance(at, pick(std::min<std::size_t>(mirror.unacked.size(), 20)));
  const Receipt receipt = at->second.receipt;
  const std::uint64_t how = pick(10);
  if (how < 2) {
    const bool counts = how == 0;
    note_drops(mirror);
    give_back(mirror, at, counts);
    EXPECT_TRUE(mirror.queue->give_back(receipt, {counts}));
    return;
  }
  if (how == 2) {
    const milliseconds timeout(pick(2'000));
    at->second.deadline = agent_->clock.now() + timeout;
    at->second.is_lease = true;
    EXPECT_TRUE(mirror.queue->extend(receipt, timeout));
    return;
  }
  mirror.gone[at->first] = {at->second.known, 0};
  mirror.late.push_back(receipt);
  mirror.unacked.erase(at);
  EXPECT_TRUE(how == 3 ? mirror.queue->discard(receipt) : mirror.queue->ack(receipt));
  EXPECT_FALSE(mirror.queue->is_unacked(receipt));
}

void QueueModel::change_consumers(Mirror& mirror) {
  if (!mirror.takers.empty() && chance(40)) {
    auto taker = mirror.takers.begin();
    std::advance(taker, pick(mirror.takers.size()));
    mirror.queue->remove_consumer(*taker);
    mirror.takers.erase(taker);
  } else if (!mirror.takers.empty() && chance(50)) {
    mirror.takers.back().add_credit(static_cast<int>(pick(10)));
    mirror.queue->pump();
  } else if (mirror.takers.size() < 4) {
    Taker& taker = mirror.takers.emplace_back(*this, mirror, static_cast<int>(pick(15)));
    taker.no_ack = chance(20);
    taker.is_link = chance(20);
    mirror.queue->add_consumer(taker);
  }
}

void QueueModel::get(Mirror& mirror) {
  const bool no_ack = chance(30);
  mirror.queue->get(no_ack, [this, &mirror, no_ack](std::optional<Delivery> delivery) {
    if (delivery) return on_delivery(mirror, *delivery, no_ack);
    if (mirror.queue->is_gone()) return;
    note_drops(mirror);
    EXPECT_TRUE(mirror.ready.empty() || mirror.queue->settings().paused);
  });
}

void QueueModel::change_settings(Mirror& mirror) {
  QueueSettings settings = mirror.queue->settings();
  settings.paused = chance(15);
  settings.durability = chance(mirror.durable ? 80 : 0) ? Durability::disk : Durability::memory;
  settings.overflow = chance(50) ? Overflow::drop_head : Overflow::reject_publish;
  settings.messages_max = chance(50) ? 0 : 5 + pick(100);
  settings.bytes_max = chance(60) ? 0 : 2'000 + pick(20'000);
  settings.limits_count_unacked = chance(50);
  settings.ack_timeout = milliseconds(chance(50) ? 0 : 1 + pick(3'000));
  const auto latest = agent_->clock.now() + settings.ack_timeout;
  note_drops(mirror);
  for (auto& [id, out] : mirror.unacked) {
    if (out.is_lease) continue;
    if (settings.ack_timeout.count() == 0)
      out.deadline.reset();
    else
      out.deadline = std::min(out.deadline.value_or(latest), latest);
  }
  mirror.queue->change(settings);
}

void QueueModel::purge(Mirror& mirror) {
  note_drops(mirror);
  const std::size_t ready = mirror.ready.size();
  Commit commit = 0;
  std::map<Id, Known> was = mirror.ready;
  mirror.ready.clear();  // getters are answered from within
  const auto purged = mirror.queue->purge(commit);
  if (!purged) {
    mirror.ready = std::move(was);
    return;
  }
  ++counts_.purged;
  EXPECT_EQ(*purged, ready);
  for (auto& [id, known] : was) mirror.gone[id] = {known, commit};
}

void QueueModel::remove(Mirror& mirror) {
  note_drops(mirror);
  settle_down();
  const QueuePtr old = mirror.queue;
  const std::size_t ready = mirror.ready.size();
  const auto deleted = agent_->registry->delete_queue(mirror.name, 0, false, false);
  ASSERT_TRUE(deleted) << deleted.error().detail;
  ++counts_.deleted;
  EXPECT_EQ(deleted->messages, ready);
  EXPECT_TRUE(old->is_gone());
  for (const auto& [id, out] : mirror.unacked) EXPECT_FALSE(old->ack(out.receipt));
  mirror.ready.clear(), mirror.unacked.clear(), mirror.gone.clear(), mirror.takers.clear();
  mirror.late.clear();
  declare(mirror);
  settle_down();
}

void QueueModel::pass_time() {
  agent_->clock.advance(milliseconds(pick(1'500)));
  const auto now = agent_->clock.now();
  for (auto& mirror : queues_) {
    note_drops(*mirror);
    for (auto at = mirror->unacked.begin(); at != mirror->unacked.end();) {
      const auto out = at++;
      if (!out->second.deadline || *out->second.deadline > now) continue;
      ++counts_.timed_out;
      give_back(*mirror, out, !out->second.is_lease);
    }
  }
  agent_->registry->on_time(now);
  const auto& deadlines = agent_->registry->context().deadlines;
  EXPECT_TRUE(deadlines.empty() || deadlines.begin()->first > now);
}

// A few steps only, so that what is under way stays so while other things happen.
void QueueModel::run_some() {
  agent_->registry->end_turn();
  for (std::uint64_t steps = pick(6); steps > 0; --steps) {
    if (chance(60) && agent_->loop.run_one())
      agent_->registry->end_turn();
    else if (!agent_->committer.run_one())
      agent_->pool.run_one();
  }
}

void QueueModel::settle_down() {
  agent_->settle_down();
  for (auto& mirror : queues_) {
    if (mirror->queue == nullptr) continue;
    note_drops(*mirror);
    EXPECT_LE(mirror->queue->status().counters.lost, 0u);
    for (auto& [id, known] : mirror->ready) known.durable_count = known.count;
    for (auto& [id, out] : mirror->unacked) out.known.durable_count = out.known.count;
  }
  agent_->settle_down();
  for (auto& mirror : queues_) {
    if (mirror->queue == nullptr) continue;
    note_drops(*mirror);
    const bool wanted = std::any_of(mirror->takers.begin(), mirror->takers.end(),
                                    [](const Taker& taker) { return taker.has_credit(); });
    const bool may_wait = !wanted || mirror->queue->settings().paused;
    EXPECT_TRUE(may_wait || mirror->ready.empty()) << mirror->name << " makes a consumer wait";
    mirror->gone.clear();
  }
}

}  // namespace pannier::queue
