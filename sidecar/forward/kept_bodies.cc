#include "sidecar/forward/kept_bodies.h"

namespace pannier::forward {

Result<spool::BodyId> KeptBodies::begin(spool::Codec codec) {
  if (spool_ == nullptr) return Error{Errc::closed, "the agent ends"};
  auto body = spool_->begin_body(codec);
  if (body) bodies_.insert(*body);
  return body;
}

Result<void> KeptBodies::append(spool::BodyId body, Slice part) {
  if (spool_ == nullptr) return Error{Errc::closed, "the agent ends"};
  return spool_->append_part(body, std::move(part));
}

void KeptBodies::drop(spool::BodyId body) {
  if (bodies_.erase(body) > 0) spool_->abort_body(body);
}

void KeptBodies::close() {
  for (const spool::BodyId body : bodies_) spool_->abort_body(body);
  bodies_.clear();
  spool_ = nullptr;
}

}  // namespace pannier::forward
