#include <algorithm>

#include "common/log.h"
#include "sidecar/queue/queue.h"

namespace pannier::queue {
namespace {

constexpr std::chrono::seconds kRetryDelay{1};

bool is_before(const spool::Entry& entry, Sequence sequence) { return entry.sequence < sequence; }

}  // namespace

void Queue::keep_copy(Item& item, MessagePtr message) {
  context_.message_bytes += memory_of(*message);
  item.message = std::move(message);
}

void Queue::drop_copy(Item& item) {
  if (item.message) context_.message_bytes -= memory_of(*item.message);
  item.message.reset();
}

// Copies that were made over the budget because somebody waited for them, and did not leave.
void Queue::drop_unaffordable() {
  if (!context_.is_over_budget()) return;
  for (Item* item : {head(), window_.empty() ? nullptr : &window_.front()})
    if (item != nullptr && is_in_spool(item->entry)) drop_copy(*item);
}

Queue::Item* Queue::find(Sequence sequence) {
  if (const auto found = returned_.find(sequence); found != returned_.end()) return &found->second;
  const auto at =
      std::lower_bound(window_.begin(), window_.end(), sequence,
                       [](const Item& item, Sequence key) { return is_before(item.entry, key); });
  return at == window_.end() || at->entry.sequence != sequence ? nullptr : &*at;
}

bool Queue::load(Item& item) {
  if (item.message || item.loading) return true;
  if (is_in_read_line_) return false;
  const std::uint64_t bytes = item.entry.message_bytes + kCopyOverhead;
  if (!context_.may_read(bytes, weak_from_this())) {
    is_in_read_line_ = true;
    return false;
  }
  item.loading = true;
  context_.spool.read(item.entry, [alive = context_.alive, weak = weak_from_this(), bytes,
                                   sequence = item.entry.sequence](auto stored) {
    if (*alive == nullptr) return;
    if (const auto self = weak.lock(); self && !self->gone_)
      self->on_loaded(sequence, std::move(stored));
    if (*alive != nullptr) (*alive)->end_read(bytes);
  });
  return true;
}

void Queue::on_read_room() {
  is_in_read_line_ = false;
  pump();
}

// The head in any case, and what follows it as far as the budgets go.
void Queue::read_ahead() {
  Item* first = head();
  if (retry_at_ || first == nullptr || !load(*first)) return;
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
  const auto consider = [&](Item& item) {
    bytes += item.entry.message_bytes;
    if (++messages > context_.limits.read_ahead_messages ||
        bytes > context_.limits.read_ahead_bytes)
      return false;
    return context_.affords(item.entry.message_bytes + kCopyOverhead) && load(item);
  };
  for (auto& [sequence, item] : returned_)
    if (!consider(item)) return;
  for (Item& item : window_)
    if (!consider(item)) return;
}

void Queue::on_loaded(Sequence sequence, Result<spool::StoredMessage> stored) {
  Item* item = find(sequence);
  if (item == nullptr || !item->loading) return;  // purged or dropped meanwhile
  item->loading = false;
  if (stored)
    keep_copy(*item, message_from(std::move(*stored)));
  else if (stored.error().code == Errc::io_error)
    retry_later();
  else
    lose(sequence, stored.error());
  pump();
}

void Queue::retry_later() {
  retry_at_ = context_.clock.now() + kRetryDelay;
  show_deadline();
}

void Queue::lose(Sequence sequence, const Error& why) {
  log::error("a message cannot be read and is lost",
             {{"queue", name()}, {"sequence", sequence}, {"error", why.detail}});
  Item* item = find(sequence);
  drop_copy(*item);
  settle(item->entry);
  --ready_;
  ready_bytes_ -= item->entry.message_bytes;
  ++counters_.lost;
  if (returned_.erase(sequence) > 0) return;
  window_.erase(
      std::lower_bound(window_.begin(), window_.end(), sequence,
                       [](const Item& held, Sequence key) { return is_before(held.entry, key); }));
}

void Queue::fetch_more() {
  const std::uint64_t share = context_.window_share();
  if (!more_on_disk_ || fetching_ || retry_at_ || window_.size() > share / 2) return;
  fetching_ = true;
  const std::uint64_t wanted = share - window_.size();
  context_.spool.fetch({id_, 0}, window_end_, wanted,
                       [weak = weak_from_this(), &spool = context_.spool, wanted](auto entries) {
                         const auto self = weak.lock();
                         if (self && !self->gone_)
                           self->on_fetched(std::move(entries), wanted);
                         else if (entries)
                           for (const spool::Entry& entry : *entries) spool.release(entry);
                       });
}

// What a purge has made room for may have been put into the window while the fetch was under way:
// what the window has passed already is not taken twice.
void Queue::on_fetched(Result<spool::Entries> entries, std::uint64_t wanted) {
  fetching_ = false;
  if (!entries) {
    on_unreadable(entries.error());
  } else {
    for (const spool::Entry& entry : *entries) {
      if (entry.sequence <= window_end_) {
        context_.spool.release(entry);
        continue;
      }
      window_.push_back(Item{entry, {}, false});
      window_end_ = entry.sequence;
    }
    if (entries->size() < wanted) more_on_disk_ = false;
    if (!more_on_disk_) recount();
  }
  start_peeks();
  pump();
  enforce_limits();
}

// A damaged index: what lies behind it in the spool cannot be found in this run, what comes can.
void Queue::on_unreadable(const Error& why) {
  log::error("a queue's index cannot be read", {{"queue", name()}, {"error", why.detail}});
  if (why.code == Errc::io_error) {
    retry_later();
    return;
  }
  const std::uint64_t before = ready_;
  window_end_ = std::max(window_end_, context_.spool.last_sequence(id_));
  more_on_disk_ = false;
  recount();
  counters_.lost += before - std::min(before, ready_);
}

// All that is ready is in memory now.
void Queue::recount() {
  const std::uint64_t before = ready_;
  ready_ = window_.size() + returned_.size();
  ready_bytes_ = 0;
  for (const Item& item : window_) ready_bytes_ += item.entry.message_bytes;
  for (const auto& [sequence, item] : returned_) ready_bytes_ += item.entry.message_bytes;
  if (before != ready_)
    log::warn("a queue's messages were counted anew",
              {{"queue", name()}, {"before", before}, {"now", ready_}});
}

struct Queue::Peek {
  std::vector<Delivery> found;
  std::size_t left = 0;
  OnPeeked done;
};

void Queue::peek(std::size_t max, OnPeeked done) {
  if (gone_) {
    done({});
  } else if (window_.empty() && more_on_disk_ && !retry_at_) {
    peeks_.emplace_back(max, std::move(done));
    fetch_more();
  } else {
    start_peek(max, std::move(done));
  }
}

void Queue::start_peeks() {
  for (auto& [max, done] : std::exchange(peeks_, {})) start_peek(max, std::move(done));
}

void Queue::start_peek(std::size_t max, OnPeeked done) {
  auto peek = std::make_shared<Peek>();
  peek->done = std::move(done);
  std::vector<Item*> items;
  for (auto& [sequence, item] : returned_) items.push_back(&item);
  for (Item& item : window_)
    if (items.size() < max + returned_.size()) items.push_back(&item);
  std::sort(items.begin(), items.end(),
            [](const Item* a, const Item* b) { return a->entry.sequence < b->entry.sequence; });
  if (items.size() > max) items.resize(max);
  peek->found.resize(items.size());
  peek->left = items.size() + 1;
  const auto one_done = [peek] {
    if (--peek->left > 0) return;
    std::erase_if(peek->found, [](const Delivery& delivery) { return !delivery.message; });
    peek->done(std::move(peek->found));
  };
  for (std::size_t i = 0; i < items.size(); ++i) {
    const spool::Entry& entry = items[i]->entry;
    Delivery& delivery = peek->found[i];
    delivery.sequence = entry.sequence;
    delivery.delivery_count = entry.delivery_count;
    delivery.redelivered = entry.redelivered || entry.sequence <= suspect_;
    if (items[i]->message) {
      delivery.message = items[i]->message;
      one_done();
      continue;
    }
    context_.spool.read(entry, [peek, i, one_done](Result<spool::StoredMessage> stored) {
      if (stored) peek->found[i].message = message_from(std::move(*stored));
      one_done();
    });
  }
  context_.loop.post(one_done);
}

}  // namespace pannier::queue
