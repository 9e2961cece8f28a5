//! The parts of Stenobot, each against its real counterpart: files, databases, processes, servers on loopback.

mod audio;
