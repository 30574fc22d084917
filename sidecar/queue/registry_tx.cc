#include <algorithm>
#include <unordered_map>

#include "sidecar/queue/codec.h"
#include "sidecar/queue/registry.h"

namespace pannier::queue {
namespace {

// What one transaction puts into one queue.
struct Share {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
};

struct Put {
  Queue* queue = nullptr;
  const MessagePtr* message = nullptr;
  bool is_in_spool = false;
};

}  // namespace

// One group. A queue that refuses a message does not undo the rest, as in RabbitMQ. Memory queues
// keep all of it in memory or none: so it stays in order.
class Registry::Committing {
 public:
  Committing(Registry& registry, const Transaction& transaction)
      : registry_(registry), context_(registry.context_), transaction_(transaction) {}

  Result<Committed> run() {
    for (const Transaction::Publish& publish : transaction_.publishes)
      if (auto planned = plan(publish); !planned) return planned.error();
    if (!context_.affords(memory_)) stays_in_memory_ = false;
    for (Put& put : puts_) stage(put);
    for (const Transaction::Ack& ack : transaction_.acks)
      if (const spool::Entry* entry = ack.queue->entry_to_settle(ack.receipt))
        group_.settle(*entry);
    if (!ids_.empty()) registry_.dedup_.put(group_, ids_);
    if (!group_.empty()) {
      auto commit = context_.spool.append(group_);
      if (!commit) return commit.error();
      done_.commit = *commit;
    }
    if (!ids_.empty()) registry_.dedup_.apply(ids_, done_.commit);
    for (Queue* queue : had_) queue->note_duplicate();
    context_.journaled_publishes += journaled_;
    for (auto& [queue, count] : refusals_) queue->note_refused(count);
    for (const Transaction::Ack& ack : transaction_.acks) settle(ack);
    put_all();
    return std::move(done_);
  }

 private:
  Result<void> plan(const Transaction::Publish& publish) {
    Committed::Outcome& outcome = done_.publishes.emplace_back();
    const std::uint64_t bytes = publish.message->bytes();
    for (const QueuePtr& queue : publish.queues) {
      if (queue->is_gone()) continue;
      outcome.routed = true;
      std::optional<Deduplication::Key> key;
      const auto had = registry_.has_had(*queue, *publish.message, ids_, key);
      if (!had) return had.error();
      if (*had) {
        had_.push_back(queue.get());
        done_.commit = std::max(done_.commit, registry_.dedup_.commit_of(queue->id()));
        continue;
      }
      Share& share = shares_[queue.get()];
      if (auto may = queue->may_put(share.bytes + bytes, share.messages + 1); !may) {
        ++refusals_[queue.get()];
        done_.refused = true;
        done_.why = may.error().detail;
        continue;
      }
      if (key) Deduplication::add(queue->id(), *key, ids_);
      outcome.taken = true;
      ++share.messages;
      share.bytes += bytes;
      puts_.push_back({queue.get(), &publish.message, true});
      if (queue->settings().durability != Durability::memory) continue;
      stays_in_memory_ = stays_in_memory_ && queue->keeps_in_memory(*publish.message);
      memory_ += memory_of(*publish.message);
    }
    return {};
  }

  // Those of one message come one after the other.
  void stage(Put& put) {
    const bool is_memory = put.queue->settings().durability == Durability::memory;
    put.is_in_spool = !is_memory || !stays_in_memory_;
    if (put.is_in_spool) {
      targets_.push_back(put.queue->target_for(**put.message));
      codec_ = std::max(codec_, codec_of(*put.queue));
    }
    const bool is_last_of_message = &put == &puts_.back() || (&put + 1)->message != put.message;
    if (!is_last_of_message || targets_.empty()) return;
    group_.publish(content_of(**put.message, codec_), targets_);
    targets_.clear();
    codec_ = spool::Codec::none;
    ++journaled_;
  }

  void settle(const Transaction::Ack& ack) {
    if (ack.queue->entry_to_settle(ack.receipt) != nullptr)
      ack.queue->note_settled(ack.receipt);
    else
      static_cast<void>(ack.queue->ack(ack.receipt));
  }

  void put_all() {
    std::size_t next = 0;
    for (const Put& put : puts_)
      if (put.is_in_spool)
        put.queue->put(group_.entries()[next++], *put.message);
      else
        registry_.put_in_memory(*put.queue, *put.message);
  }

  Registry& registry_;
  QueueContext& context_;
  const Transaction& transaction_;
  Committed done_;
  std::vector<Put> puts_;
  std::unordered_map<Queue*, Share> shares_;
  std::unordered_map<Queue*, std::uint64_t> refusals_;
  std::vector<Queue*> had_;  // a message before
  Deduplication::Growth ids_;
  std::vector<spool::Target> targets_;  // of the message that is being staged
  spool::Codec codec_ = spool::Codec::none;
  spool::Group group_;
  std::uint64_t memory_ = 0;
  std::uint64_t journaled_ = 0;
  bool stays_in_memory_ = true;
};

Result<Committed> Registry::commit(const Transaction& transaction) {
  return Committing(*this, transaction).run();
}

}  // namespace pannier::queue
