// ContentStreams: the contents that one server channel sends: header and body, a large body part by
// part as it is read from the spool. What else the channel has to say comes behind the content that
// is on its way.
//
// Owned by the channel; loop thread. A part is read once the last one has left, so that what is
// unsent stays within AmqpLimits::unsent_bytes and one part.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "sidecar/amqp/codec.h"
#include "sidecar/amqp/server_channel.h"
#include "sidecar/amqp/session_context.h"

namespace pannier::amqp {

struct Content {
  queue::MessagePtr message;
  queue::QueuePtr queue;  // null when it is sent back to its publisher
  queue::Receipt receipt;
  std::function<void(bool whole)> done;
  Fold fold{};  // of a link's body; null: as it is
};

class ContentStreams {
 public:
  // What the channel is told. The streams may be gone when it returns.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_contents_sent() = 0;  // nothing is on its way any more
    virtual void on_content_failed(const Error& why) = 0;
  };
  ContentStreams(ChannelId id, ServerChannel& channel, Owner& owner, SessionContext& context,
                 SessionLink& session);
  ~ContentStreams();
  ContentStreams(const ContentStreams&) = delete;
  ContentStreams& operator=(const ContentStreams&) = delete;

  // Where the channel's next frame goes.
  net::Output& output();
  void put(Content content);
  void on_room();
  bool empty() const { return streams_.empty(); }
  std::size_t held_bytes() const;
  // False: that delivery is not on its way. Else `settle` happens when all of it has been sent:
  // until then its body must stay.
  bool settle_later(const queue::Receipt& receipt, std::function<void()> settle);
  bool has_settles() const;
  bool is_sending(const queue::Receipt& receipt) const;

  // Only what is on its way still is, and nothing behind it.
  void wind_down();
  void drop_all() { drop(0); }

 private:
  struct Stream {
    Content content;
    std::function<void()> settle;  // what was decided about it before it was whole
    std::uint32_t next = 0;
    bool reading = false;
    net::Output after;  // frames of this channel that come behind it
  };

  void read_next();
  void on_part(Result<Slice> part);
  void end_first();
  void drop(std::size_t all_but);
  static void finish(Content content, const std::function<void()>& settle, bool whole);
  void show() { session_.note_streaming(channel_, !streams_.empty()); }

  ChannelId id_;
  ServerChannel& channel_;
  Owner& owner_;
  SessionContext& context_;
  SessionLink& session_;
  std::deque<Stream> streams_;
  std::shared_ptr<ContentStreams*> alive_;
};

}  // namespace pannier::amqp
