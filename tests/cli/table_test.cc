#include "cli/table.h"

#include <gtest/gtest.h>

namespace pannier::cli {
namespace {

TEST(Table, AlignsByWhatIsSeen) {
  Table table({{"NAME"}, {"DEPTH", Column::Align::right}, {"MODE"}});
  table.add({"orders", "7", "Peers"});
  table.add({"\xe4\xb8\xad\xe6\x96\x87", "12345678", ""});
  EXPECT_EQ(table.text(),
            "NAME        DEPTH   MODE\n"
            "orders          7   Peers\n"
            "\xe4\xb8\xad\xe6\x96\x87     12345678   -\n");
  EXPECT_EQ(Table({{"A"}, {"B"}}).text(2), "  A   B\n");
}

TEST(Table, ACellIsOneLineThatDrivesNoTerminal) {
  Table table({{"A"}});
  table.add({"x\n\x1b[31m"});
  EXPECT_EQ(table.text(), "A\nx\\n\\x1b[31m\n");
}

}  // namespace
}  // namespace pannier::cli
