#include <algorithm>

#include "common/log.h"
#include "sidecar/queue/queue.h"

namespace pannier::queue {
namespace {

constexpr std::chrono::seconds kRetryDelay{1};

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
  for (ReadyLane& lane : lanes_)
    for (Item* item : {lane.head(), lane.window.empty() ? nullptr : &lane.window.front()})
      if (item != nullptr && is_in_spool(item->entry)) drop_copy(*item);
}

bool Queue::load(ReadyLane& lane, Item& item) {
  if (item.message || item.loading) return true;
  if (is_in_read_line_) return false;
  const std::uint64_t bytes = item.entry.message_bytes + kCopyOverhead;
  if (!context_.may_read(bytes, weak_from_this())) {
    is_in_read_line_ = true;
    return false;
  }
  item.loading = true;
  context_.spool.read(item.entry,
                      [alive = context_.alive, weak = weak_from_this(), bytes,
                       priority = lane.priority(), sequence = item.entry.sequence](auto stored) {
                        if (*alive == nullptr) return;
                        if (const auto self = weak.lock(); self && !self->gone_)
                          self->on_loaded(priority, sequence, std::move(stored));
                        if (*alive != nullptr) (*alive)->end_read(bytes);
                      });
  return true;
}

void Queue::on_read_room() {
  is_in_read_line_ = false;
  load_dying();
  pump();
}

// The head in any case, and what follows it as far as the budgets go.
void Queue::read_ahead() {
  ReadyLane* lane = first_lane();
  Item* first = lane == nullptr ? nullptr : lane->head();
  if (retry_at_ || first == nullptr || !load(*lane, *first)) return;
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
  const auto consider = [&](Item& item) {
    bytes += item.entry.message_bytes;
    if (++messages > context_.limits.read_ahead_messages ||
        bytes > context_.limits.read_ahead_bytes)
      return false;
    return context_.affords(item.entry.message_bytes + kCopyOverhead) && load(*lane, item);
  };
  for (auto& [sequence, item] : lane->returned)
    if (!consider(item)) return;
  for (Item& item : lane->window)
    if (!consider(item)) return;
}

void Queue::on_loaded(spool::Priority priority, Sequence sequence,
                      Result<spool::StoredMessage> stored) {
  ReadyLane& lane = lane_for(priority);
  Item* item = lane.find(sequence);
  if (item == nullptr || !item->loading) return;  // purged, dropped or passed over meanwhile
  item->loading = false;
  if (stored)
    keep_copy(*item, message_from(std::move(*stored)));
  else if (stored.error().code == Errc::io_error)
    retry_later();
  else
    lose(lane, sequence, stored.error());
  pump();
}

void Queue::retry_later() {
  retry_at_ = context_.clock.now() + kRetryDelay;
  show_deadline();
}

void Queue::lose(ReadyLane& lane, Sequence sequence, const Error& why) {
  log::error("a message cannot be read and is lost",
             {{"queue", name()}, {"sequence", sequence}, {"error", why.detail}});
  Item item = lane.take(sequence);
  note_taken(item);
  drop_copy(item);
  settle(item.entry);
  ++counters_.lost;
}

bool Queue::has_more_on_disk() const {
  return std::ranges::any_of(lanes_, &ReadyLane::more_on_disk);
}

std::uint64_t Queue::lane_share() const {
  return std::max<std::uint64_t>(context_.window_share() / std::max<std::size_t>(lanes_.size(), 1),
                                 context_.limits.window_entries_min);
}

void Queue::fetch_more() {
  if (retry_at_ || is_counting_delayed_) return;
  for (ReadyLane& lane : lanes_) fetch_more(lane);
}

// What is passed over is in memory too.
void Queue::fetch_more(ReadyLane& lane) {
  const std::uint64_t share = lane_share();
  if (!lane.more_on_disk || lane.fetching || lane.window.size() > share / 2) return;
  if (parked_count_ >= context_.window_share()) return;
  lane.fetching = true;
  const std::uint64_t wanted = share - lane.window.size();
  context_.spool.fetch({id_, lane.priority()}, lane.window_end, wanted,
                       [weak = weak_from_this(), &spool = context_.spool, wanted,
                        priority = lane.priority()](auto entries) {
                         const auto self = weak.lock();
                         if (self && !self->gone_)
                           self->on_fetched(priority, std::move(entries), wanted);
                         else if (entries)
                           for (const spool::Entry& entry : *entries) spool.release(entry);
                       });
}

// What a purge has made room for may have been put into the window while the fetch was under way:
// what the window has passed already is not taken twice. What waits for its time comes by that.
void Queue::on_fetched(spool::Priority priority, Result<spool::Entries> entries,
                       std::uint64_t wanted) {
  ReadyLane& lane = lane_for(priority);
  lane.fetching = false;
  if (!entries) {
    on_unreadable(lane, entries.error());
  } else {
    for (const spool::Entry& entry : *entries) {
      const bool is_known = entry.sequence <= lane.window_end || dying_.contains(entry.sequence);
      lane.window_end = std::max(lane.window_end, entry.sequence);
      if (is_known || entry.due != 0) {
        context_.spool.release(entry);
        continue;
      }
      lane.window.push_back(Item{entry, {}, false});
    }
    if (entries->size() < wanted) lane.more_on_disk = false;
    if (!has_more_on_disk()) recount();
  }
  start_peeks();
  pump();
  enforce_limits();
}

// A damaged index: what lies behind it in the spool cannot be found in this run, what comes can.
void Queue::on_unreadable(ReadyLane& lane, const Error& why) {
  log::error("a queue's index cannot be read", {{"queue", name()}, {"error", why.detail}});
  if (why.code == Errc::io_error) {
    retry_later();
    return;
  }
  const std::uint64_t before = ready_;
  lane.window_end = std::max(lane.window_end, context_.spool.last_sequence(id_));
  lane.more_on_disk = false;
  if (!has_more_on_disk()) recount();
  counters_.lost += before - std::min(before, ready_);
}

// All that is ready is in memory now.
void Queue::recount() {
  const std::uint64_t before = ready_;
  ready_ = parked_count_;
  std::uint64_t bytes = 0;
  for (const ReadyLane& lane : lanes_) {
    ready_ += lane.held();
    for (const Item& item : lane.window) bytes += item.entry.message_bytes;
    for (const auto& [sequence, item] : lane.returned) bytes += item.entry.message_bytes;
  }
  for (const auto& [group, items] : parked_)
    for (const auto& [sequence, item] : items) bytes += item.entry.message_bytes;
  for (const auto& [key, item] : delayed_.held()) bytes += item.entry.message_bytes;
  if (!delayed_.is_partial()) ready_bytes_ = bytes;
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
  } else if (head() == nullptr && has_more_on_disk() && !retry_at_) {
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
  for (ReadyLane& lane : lanes_) {
    const std::size_t before = items.size();
    for (auto& [sequence, item] : lane.returned) items.push_back(&item);
    for (std::size_t i = 0; i < lane.window.size() && i < max; ++i)
      items.push_back(&lane.window[i]);
    std::sort(items.begin() + static_cast<std::ptrdiff_t>(before), items.end(),
              [](const Item* a, const Item* b) { return a->entry.sequence < b->entry.sequence; });
    if (items.size() >= max) break;
  }
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
    delivery.redelivered = entry.redelivered || is_suspect(entry);
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
