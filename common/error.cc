#include "common/error.h"

#include <cstdlib>

namespace pannier {

Scope scope_of(Errc code) {
  switch (code) {
    case Errc::no_space:
    case Errc::spool_full:
    case Errc::spool_busy:
    case Errc::queue_full: return Scope::message;
    case Errc::bad_argument:
    case Errc::too_large:
    case Errc::not_found:
    case Errc::precondition:
    case Errc::locked:
    case Errc::in_use:
    case Errc::access_denied:
    case Errc::corrupt: return Scope::channel;
    case Errc::not_authenticated:
    case Errc::bad_frame:
    case Errc::bad_syntax:
    case Errc::unexpected:
    case Errc::not_supported:
    case Errc::limit_reached:
    case Errc::timed_out:
    case Errc::closed: return Scope::connection;
    case Errc::bad_config:
    case Errc::io_error:
    case Errc::sync_failed:
    case Errc::spool_locked:
    case Errc::wrong_version: return Scope::process;
  }
  std::abort();
}

std::string_view name_of(Errc code) {
  switch (code) {
    case Errc::bad_config: return "bad_config";
    case Errc::bad_argument: return "bad_argument";
    case Errc::io_error: return "io_error";
    case Errc::sync_failed: return "sync_failed";
    case Errc::no_space: return "no_space";
    case Errc::spool_full: return "spool_full";
    case Errc::spool_busy: return "spool_busy";
    case Errc::spool_locked: return "spool_locked";
    case Errc::wrong_version: return "wrong_version";
    case Errc::corrupt: return "corrupt";
    case Errc::too_large: return "too_large";
    case Errc::not_found: return "not_found";
    case Errc::queue_full: return "queue_full";
    case Errc::precondition: return "precondition";
    case Errc::locked: return "locked";
    case Errc::in_use: return "in_use";
    case Errc::not_authenticated: return "not_authenticated";
    case Errc::access_denied: return "access_denied";
    case Errc::bad_frame: return "bad_frame";
    case Errc::bad_syntax: return "bad_syntax";
    case Errc::unexpected: return "unexpected";
    case Errc::not_supported: return "not_supported";
    case Errc::limit_reached: return "limit_reached";
    case Errc::timed_out: return "timed_out";
    case Errc::closed: return "closed";
  }
  std::abort();
}

}  // namespace pannier
