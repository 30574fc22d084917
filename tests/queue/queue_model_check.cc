#include "tests/queue/queue_model.h"
#include "tests/queue/queue_model_parts.h"

namespace pannier::queue {

void QueueModel::check(Mirror& mirror) {
  note_drops(mirror);
  const QueueStatus status = mirror.queue->status();
  std::uint64_t bytes = 0;
  for (const auto& [id, known] : mirror.ready) bytes += known.bytes;
  for (const auto& [id, out] : mirror.unacked) bytes += out.known.bytes;
  EXPECT_EQ(status.ready, mirror.ready.size()) << mirror.name;
  EXPECT_EQ(status.unacked, mirror.unacked.size()) << mirror.name;
  EXPECT_EQ(status.bytes, bytes) << mirror.name;
  EXPECT_EQ(mirror.queue->check(), "") << mirror.name;
}

void QueueModel::check_all() {
  const QueueContext& context = agent_->registry->context();
  // A fan-out asks every memory queue before it puts the first.
  const std::uint64_t slack = queues_.size() * (400 + kCopyOverhead);
  EXPECT_LE(context.message_bytes, limits_.message_bytes + slack);
  EXPECT_LE(context.reading_bytes, limits_.reading_bytes + 400 + kCopyOverhead);
}

void QueueModel::cut_power() {
  const Commit synced = agent_->spool->synced_commit();
  auto after = disk_->restart(random_(), chance(50) ? Keep::random : Keep::nothing);
  for (auto& mirror : queues_) {
    note_drops(*mirror);
    mirror->queue.reset();
  }
  agent_.reset();
  for (auto& mirror : queues_) mirror->takers.clear();
  disk_ = std::move(after);
  agent_ = std::make_unique<QueueHarness>(*disk_, limits_);
  for (auto& mirror : queues_) {
    if (!mirror->durable) {
      EXPECT_EQ(agent_->find(mirror->name), nullptr);
      mirror->ready.clear(), mirror->unacked.clear(), mirror->gone.clear();
      mirror->late.clear();
    }
    declare(*mirror);
    if (mirror->durable) expect_after_cut(*mirror, synced);
  }
  settle_down();
}

// Takes all that is there, compares, and puts it back.
void QueueModel::expect_after_cut(Mirror& mirror, Commit synced) {
  TestConsumer all(1'000'000);
  mirror.queue->add_consumer(all);
  agent_->turn();
  mirror.queue->remove_consumer(all);
  std::map<Id, Known> must = mirror.ready;
  for (const auto& [id, out] : mirror.unacked) must[id] = out.known;
  std::map<Id, Known> may = must;
  for (const auto& [id, gone] : mirror.gone)
    if (gone.by == 0 || gone.by > synced) may[id] = gone.known;
  std::erase_if(must,
                [&](const auto& of) { return of.second.commit == 0 || of.second.commit > synced; });
  mirror.ready.clear(), mirror.unacked.clear(), mirror.gone.clear();
  Id before = 0;
  int flagged = 0;
  for (const Delivery& delivery : all.got) {
    const Id id = id_in(*delivery.message);
    ASSERT_GT(id, before) << mirror.name << " is out of order after a power cut";
    before = id;
    ASSERT_TRUE(may.contains(id)) << mirror.name << " has " << id << " that was settled";
    Known known = may[id];
    const bool is_second = known.was_delivered || known.redelivered;
    EXPECT_TRUE(delivery.redelivered || !is_second) << mirror.name << " " << id;
    flagged += delivery.redelivered && !is_second ? 1 : 0;
    EXPECT_GE(delivery.delivery_count, known.durable_count);
    EXPECT_LE(delivery.delivery_count, known.count);
    if (must.erase(id) > 0) ++counts_.kept;
    known.count = delivery.delivery_count;
    known.redelivered = known.was_delivered = true;
    known.commit = known.commit == 0 ? 1 : std::min(known.commit, synced);
    mirror.ready[id] = known;
    EXPECT_TRUE(mirror.queue->give_back(delivery.receipt, {false}));
  }
  EXPECT_TRUE(must.empty()) << mirror.name << " has lost " << must.begin()->first;
  EXPECT_LE(flagged, 4'096);
  counts_.flagged_first += flagged;
  counts_.lost_unconfirmed += static_cast<int>(may.size() - mirror.ready.size());
}

// Everything goes; nothing stays behind.
void QueueModel::finish() {
  settle_down();
  for (auto& mirror : queues_) {
    while (!mirror->unacked.empty() && !failed()) settle_one(*mirror);
    if (chance(50)) {
      purge(*mirror);
      settle_down();
    }
    for (Taker& taker : mirror->takers) mirror->queue->remove_consumer(taker);
    ASSERT_TRUE(agent_->registry->delete_queue(mirror->name, 0, false, false));
    mirror->ready.clear(), mirror->takers.clear();
  }
  agent_->settle_down();
  agent_->settle_down();
  const QueueContext& context = agent_->registry->context();
  EXPECT_EQ(context.message_bytes, 0u);
  EXPECT_EQ(context.reading_bytes, 0u);
  EXPECT_EQ(context.waiting_changes(), 0u);
  EXPECT_TRUE(context.deadlines.empty());
  EXPECT_EQ(agent_->registry->bindings(), 0u);
  EXPECT_EQ(agent_->spool->status().live_bytes, 0u);
}

}  // namespace pannier::queue
