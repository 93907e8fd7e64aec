// The tape: an append-only, totally ordered, checksummed log. One writer, any number of readers, in any processes.
//
//   crc32c.hpp    the sum                          writer.hpp       append, write, sync, publish; rotation
//   frame.hpp     one record's bytes               writer_open.hpp  how a writer takes a tape over
//   segment.hpp   one file's bytes                 reader.hpp       tail, seek, scan
//   control.hpp   positions, lock, bell            cut.hpp          what people do after damage
//   recovery.hpp  what is found at open: the decision table
//   frames.hpp    its bytes by position           mirror.hpp       the copy on another host
#pragma once
#include "tapewire/tape/cut.hpp"
#include "tapewire/tape/frames.hpp"
#include "tapewire/tape/mirror.hpp"
#include "tapewire/tape/reader.hpp"
#include "tapewire/tape/writer.hpp"
