// KeptBodies: the large bodies that were pulled in parts and lie in the spool while their messages
// are here. They are nobody's messages there: a restart drops them, and their origins still have
// them.
//
// Shared by whatever holds such a body, so that each can be dropped whenever it ends; cut off from
// the spool by close(), which drops all. Loop thread.
#pragma once

#include <set>

#include "sidecar/queue/message.h"

namespace pannier::forward {

class KeptBodies {
 public:
  explicit KeptBodies(spool::Spool& spool) : spool_(&spool) {}
  ~KeptBodies() { close(); }
  KeptBodies(const KeptBodies&) = delete;
  KeptBodies& operator=(const KeptBodies&) = delete;

  Result<spool::BodyId> begin(spool::Codec codec);
  Result<void> append(spool::BodyId body, Slice part);
  void drop(spool::BodyId body);
  void close();
  std::size_t size() const { return bodies_.size(); }

 private:
  spool::Spool* spool_;
  std::set<spool::BodyId> bodies_;
};

}  // namespace pannier::forward
