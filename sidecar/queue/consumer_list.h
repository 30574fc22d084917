// ConsumerList: the consumers of one queue, and whose turn it is.
//
// Higher priorities first, links behind everybody; among equals they take turns. With a single
// active consumer only the one that was first gets messages, until it goes. Owned by Queue; the
// consumers are their sessions'. Loop thread.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "sidecar/queue/consumer.h"

namespace pannier::queue {

class ConsumerList {
 public:
  void add(Consumer& consumer);
  // False: it was not there.
  bool remove(const Consumer& consumer);
  // Any of them, taken off; null if there is none.
  Consumer* pop();
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  // The one whose turn it is among those that `may`; null: none. Its turn is over.
  Consumer* next(const std::function<bool(const Consumer&)>& may, bool single_active);
  const Consumer* active() const { return active_; }

  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const Rank& rank : ranks_)
      for (Consumer* consumer : rank.consumers) visit(*consumer);
  }
  template <typename Predicate>
  bool any_of(Predicate&& holds) const {
    bool any = false;
    for_each([&](const Consumer& consumer) { any = any || holds(consumer); });
    return any;
  }

 private:
  struct Rank {
    bool is_link = false;
    std::int32_t priority = 0;
    std::vector<Consumer*> consumers;  // in the order in which they came
    std::size_t turn = 0;
    bool is_before(const Rank& other) const {
      return is_link != other.is_link ? !is_link : priority > other.priority;
    }
  };
  void choose_active();

  std::vector<Rank> ranks_;  // the first to be asked first
  std::size_t size_ = 0;
  Consumer* active_ = nullptr;  // of a queue that has a single one
};

}  // namespace pannier::queue
