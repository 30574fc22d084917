// BodyIntake: a request's body as it arrives: kept in memory up to the plan's limit, or handed to
// the spool in parts, or only counted and dropped.
//
// Owned by the session; loop thread. What it holds is charged to the context's budgets before it is
// allocated. A body that is not finished is aborted in the spool with the intake.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "common/budget.h"
#include "sidecar/http/exchange.h"
#include "sidecar/http/request_parser.h"
#include "sidecar/queue/registry.h"

namespace pannier::http {

class BodyIntake final : public BodySink {
 public:
  // `length`: as announced; nothing: chunked.
  BodyIntake(const Plan& plan, std::optional<std::uint64_t> length, std::uint64_t part_bytes,
             Budget& budget, queue::Registry& registry);
  ~BodyIntake() override;
  BodyIntake(const BodyIntake&) = delete;
  BodyIntake& operator=(const BodyIntake&) = delete;

  std::size_t take(ByteView bytes) override;
  // Why nothing more is taken: the body cannot be; or, with no error, the spool is behind.
  const std::optional<Error>& failed() const { return failed_; }
  bool waits_for_room() const { return waits_; }
  std::uint64_t received() const { return received_; }
  // From now on bytes are counted and dropped.
  void discard();

  // All has been taken. False: as with take. The charges stay with whoever holds the body.
  bool finish(Request& request, std::vector<Charge>& charges);

 private:
  bool has_room_for_more();
  bool grow();
  bool flush();
  void fail(const Error& why);
  std::size_t capacity_max() const;

  const Plan plan_;
  const std::optional<std::uint64_t> length_;
  const std::uint64_t part_bytes_;
  Budget& budget_;
  queue::Registry& registry_;
  std::shared_ptr<Bytes> bytes_;  // of the body, or of its part that is not full yet
  std::size_t capacity_ = 0;      // of bytes_, charged
  std::vector<Charge> charges_;
  std::uint64_t received_ = 0;
  spool::BodyId body_id_ = 0;
  std::uint32_t parts_ = 0;
  bool discards_ = false;
  bool waits_ = false;
  std::optional<Error> failed_;
};

}  // namespace pannier::http
