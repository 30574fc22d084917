// Error: what went wrong, as a code from a closed list for programs and a detail for people.
//
// How far an error reaches (one message, a channel, a connection, the process) is decided here, in
// scope_of, and nowhere else: a new code must choose. Details name what, where and what to do, and
// never hold a secret or a message body. A value type; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace pannier {

enum class Errc : std::uint8_t {
  // What a person wrote: configuration, flags, manifests.
  bad_config,    // a file, field or flag that cannot be honoured, with its place
  bad_argument,  // a request that makes no sense, whatever the state
  // Disk and spool.
  io_error,       // the operating system refused a read, write or open
  sync_failed,    // fdatasync failed: nothing unsynced can be trusted any more
  no_space,       // the volume has no room left
  spool_full,     // the spool's own byte limit or free-space reserve is reached
  spool_busy,     // the journal is behind; try again once it has caught up
  spool_locked,   // another process owns the folder
  wrong_version,  // the folder was written by a release that this one cannot read
  corrupt,        // bytes that do not match their checksum or their format
  too_large,      // over a named limit
  // Queues.
  not_found,     // no queue, exchange or message of that name
  queue_full,    // the queue's own limit on bytes or messages, with RejectPublish
  precondition,  // it exists, but otherwise than the request says
  locked,        // it belongs to somebody else exclusively
  in_use,        // it has consumers or messages and the request forbids that
  // Access.
  not_authenticated,
  access_denied,
  // Protocols.
  bad_frame,      // bytes that no rule of the protocol allows
  bad_syntax,     // a frame that is well formed around a malformed method or table
  unexpected,     // a valid message that the state does not allow
  not_supported,  // a valid request for what is not built
  limit_reached,  // a named limit on connections, channels, consumers and the like
  timed_out,      // a peer stayed silent for longer than agreed
  closed,         // the other side has gone, or we are going
};

// How far an error reaches, smallest first.
enum class Scope : std::uint8_t { message, channel, connection, process };

Scope scope_of(Errc code);

// The code's stable name, as logs, metrics and problem+json show it: "spool_full".
std::string_view name_of(Errc code);

struct Error {
  Errc code;
  std::string detail;

  Error(Errc c, std::string d) : code(c), detail(std::move(d)) {}
};

}  // namespace pannier
