//! The child side of the engine: `stenobot engine`.
