#include "common/http_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pannier {
namespace {

using testing::HasSubstr;

constexpr HttpAnswerReader::Limits kLimits{256, 32};

Result<HttpAnswer> read(std::string_view bytes, std::size_t step = 1'000,
                        bool is_for_head = false) {
  HttpAnswerReader reader(kLimits, is_for_head);
  for (; !bytes.empty() && !reader.is_done(); bytes.remove_prefix(std::min(step, bytes.size())))
    if (auto put = reader.put(bytes.substr(0, step)); !put) return put.error();
  if (!reader.is_done())
    if (auto ended = reader.end(); !ended) return ended.error();
  return reader.take();
}

Errc error_of(std::string_view bytes) {
  const auto whole = read(bytes), in_bytes = read(bytes, 1);
  EXPECT_FALSE(whole) << bytes;
  EXPECT_FALSE(in_bytes) << bytes;
  if (whole || in_bytes) return Errc::unexpected;
  EXPECT_EQ(whole.error().code, in_bytes.error().code) << bytes;
  return whole.error().code;
}

std::string with_length(std::string_view length) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::string(length) + "\r\n\r\nabc";
}

std::string chunked(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body);
}

TEST(HttpAnswerReader, ReadsAnAnswerHoweverItIsCut) {
  for (std::size_t step = 1; step < 80; ++step) {
    const auto answer =
        read("HTTP/1.1 201 Created\r\nX-Some: \t a b \r\nContent-Length:3\r\n\r\nabc", step);
    ASSERT_TRUE(answer) << step << ": " << answer.error().detail;
    EXPECT_EQ(answer->status, 201);
    EXPECT_EQ(answer->status_line, "HTTP/1.1 201 Created");
    EXPECT_EQ(answer->header("x-some"), "a b");
    EXPECT_EQ(answer->header("x-none"), "");
    EXPECT_EQ(answer->body, "abc");
  }
}

TEST(HttpAnswerReader, ReadsChunksHoweverTheyAreCut) {
  for (std::size_t step = 1; step < 90; ++step) {
    const auto answer =
        read(chunked("3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"), step);
    ASSERT_TRUE(answer) << step << ": " << answer.error().detail;
    EXPECT_EQ(answer->body, "abc0123456789");
  }
}

TEST(HttpAnswerReader, ABodyWithoutALengthEndsWithTheConnection) {
  EXPECT_EQ(read("HTTP/1.0 200 OK\r\n\r\nabc", 1)->body, "abc");
  EXPECT_EQ(error_of("HTTP/1.0 200 OK\r\n\r\n" + std::string(33, 'x')), Errc::too_large);
}

TEST(HttpAnswerReader, SomeAnswersHaveNoBodyWhateverTheySay) {
  EXPECT_EQ(read("HTTP/1.1 204 No Content\r\n\r\n")->status, 204);
  EXPECT_EQ(read("HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n", 1, true)->status, 200);
  EXPECT_EQ(read("HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 202 Yes\r\n\r\n", 1)->status, 202);
}

TEST(HttpAnswerReader, ALengthIsDigitsAndNothingElse) {
  for (const char* length : {"-1", "+3", "3 3", "0x3", "3,3", "", "3.0", "three"})
    EXPECT_EQ(error_of(with_length(length)), Errc::bad_frame) << length;
  EXPECT_EQ(error_of(with_length("3\r\nContent-Length: 4")), Errc::bad_frame);
  EXPECT_EQ(error_of(with_length("3\r\nTransfer-Encoding: chunked")), Errc::bad_frame);
  EXPECT_EQ(read(with_length("3\r\nContent-Length: 3"))->body, "abc");
}

TEST(HttpAnswerReader, AHugeBodyIsRefusedBeforeItComes) {
  for (const char* length : {"33", "4294967296", "18446744073709551616", "9999999999999999999999"})
    EXPECT_EQ(error_of(with_length(length)), Errc::too_large) << length;
  EXPECT_EQ(error_of(chunked("21\r\n")), Errc::too_large);
  EXPECT_EQ(error_of(chunked("10\r\n0123456789abcdef\r\n11\r\n")), Errc::too_large);
  EXPECT_EQ(error_of(chunked("fffffffffffffffff\r\n")), Errc::too_large);
}

TEST(HttpAnswerReader, MalformedChunksAreRefused) {
  for (const char* body : {"\r\n", "x\r\n", "-1\r\n", "3\r\nabcd\r\n", "3\nabc\r\n", "3 3\r\n"})
    EXPECT_EQ(error_of(chunked(body)), Errc::bad_frame) << body;
  EXPECT_EQ(error_of(chunked("1;" + std::string(300, 'a'))), Errc::bad_frame);
  EXPECT_EQ(error_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            Errc::bad_frame);
}

TEST(HttpAnswerReader, AHeadIsLimitedWithItsTrailers) {
  EXPECT_EQ(error_of(std::string(300, 'x')), Errc::too_large);
  EXPECT_EQ(error_of("HTTP/1.1 200 OK\r\nA: " + std::string(300, 'x')), Errc::too_large);
  EXPECT_EQ(error_of(chunked("0\r\nA: " + std::string(300, 'x'))), Errc::too_large);
  std::string interim;
  for (int i = 0; i < 20; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(error_of(interim), Errc::too_large);
}

TEST(HttpAnswerReader, WhatIsNoHttpIsSaidToBeNone) {
  for (const char* head :
       {"SSH-2.0-OpenSSH\r\n", "HTTP/2 200\r\n", "HTTP/1.1 20\r\n", "HTTP/1.1 2000\r\n",
        "HTTP/1.1 099 no\r\n", "HTTP/1.1 200 OK\n\n", "\n", "HTTP/1.1 200 OK\r\nno colon\r\n",
        "HTTP/1.1 200 OK\r\n: x\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n"})
    EXPECT_EQ(error_of(head), Errc::bad_frame) << head;
  EXPECT_THAT(read("\x1b[2J\r\n").error().detail, HasSubstr("found \"\\x1b[2J\""));
}

TEST(HttpAnswerReader, AnAnswerThatIsCutOffIsNoAnswer) {
  const std::string whole = with_length("3");
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(error_of(whole.substr(0, size)), Errc::closed) << size;
  const std::string chunks = chunked("3\r\nabc\r\n0\r\n\r\n");
  for (std::size_t size = 0; size < chunks.size(); ++size)
    EXPECT_EQ(error_of(chunks.substr(0, size)), Errc::closed) << size;
}

TEST(HttpAnswerReader, OnlyACleanConnectionIsUsedAgain) {
  const auto may_reuse = [](std::string_view bytes) {
    HttpAnswerReader reader(kLimits, false);
    EXPECT_TRUE(reader.put(bytes));
    EXPECT_TRUE(reader.is_done());
    return reader.may_reuse();
  };
  EXPECT_TRUE(may_reuse(with_length("3")));
  EXPECT_FALSE(may_reuse(with_length("3") + "more"));
  EXPECT_FALSE(may_reuse(with_length("3\r\nConnection: Close")));
  EXPECT_FALSE(may_reuse("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
}

}  // namespace
}  // namespace pannier
