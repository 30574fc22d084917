// HttpContext: what the HTTP sessions of a listener share: the handler, who may ask, limits and
// budgets.
//
// Owned by Agent; outlives its sessions. Loop thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "common/budget.h"
#include "common/clock.h"
#include "sidecar/http/exchange.h"
#include "sidecar/http/head_check.h"
#include "sidecar/queue/access.h"
#include "sidecar/queue/credential_key.h"
#include "sidecar/queue/registry.h"

namespace pannier::http {

struct HttpLimits {
  std::size_t header_bytes = 16u << 10;  // of a head; of a body's chunk heads and trailers
  HeadLimits head;
  std::uint64_t part_bytes = 256u << 10;  // larger bodies go to the spool in parts of this size
  // Bodies in memory whose requests are not answered: of one connection, and of all.
  std::uint64_t incomplete_bytes_per_session = 8u << 20;
  std::uint64_t incomplete_bytes = 32u << 20;
  std::size_t pipelined = 16;  // requests without a sent answer; the next waits, unread
  std::size_t pipelined_bytes = 64u << 10;         // read ahead of them; then reading stops
  std::size_t unsent_bytes = 1u << 20;             // of answers; the next request waits beyond
  std::chrono::milliseconds head_timeout{10'000};  // from its first byte to its last
  std::chrono::milliseconds body_timeout{30'000};  // in which body_progress_bytes have to come
  std::uint64_t body_progress_bytes = 1u << 10;
  std::chrono::milliseconds idle_timeout{180'000};
};

class HttpSession;

class HttpContext {
 public:
  HttpContext(Handler& with_handler, queue::Registry& with_registry, queue::Access& with_access,
              const Clock& with_clock, const HttpLimits& with_limits)
      : handler(with_handler),
        registry(with_registry),
        access(with_access),
        clock(with_clock),
        limits(with_limits),
        incomplete(with_limits.incomplete_bytes) {}
  HttpContext(const HttpContext&) = delete;
  HttpContext& operator=(const HttpContext&) = delete;

  Handler& handler;
  queue::Registry& registry;
  queue::Access& access;
  const Clock& clock;
  HttpLimits limits;
  Budget incomplete;
  bool dev_guest = false;  // whoever shows no credentials is guest, with guest's password
  // Against pages that a browser on this machine was led to (DNS rebinding): Host must name this
  // machine, or the address that the connection came to, and an Origin must be of the same host.
  bool local_names_only = false;

  // The spool has room again: bodies that were held up go on.
  void on_room();
  // Every connection ends once what it has asked is answered; nothing more is heard.
  void close_all();

  const std::set<HttpSession*>& sessions() const { return sessions_; }
  void add(HttpSession& session) { sessions_.insert(&session); }
  void remove(HttpSession& session);
  void await_room(HttpSession& session) { awaiting_room_.insert(&session); }
  // "Sun, 06 Nov 1994 08:49:37 GMT": now.
  std::string_view date();
  queue::CredentialDigest digest_of(std::string_view authorization) const {
    return key_.digest(authorization);
  }

 private:
  std::set<HttpSession*> sessions_;
  std::set<HttpSession*> awaiting_room_;
  std::int64_t date_of_ = -1;  // seconds since 1970
  std::string date_;
  queue::CredentialKey key_;
};

}  // namespace pannier::http
