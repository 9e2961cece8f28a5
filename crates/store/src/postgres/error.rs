//! PostgreSQL's errors as the store's, by SQLSTATE.

use sqlx::error::DatabaseError;

use crate::StoreError;

/// An error of PostgreSQL.
pub(crate) fn of(error: &dyn DatabaseError) -> StoreError {
    of_state(&error.code().unwrap_or_default(), error.message())
}

fn of_state(code: &str, message: &str) -> StoreError {
    match code {
        // Too many connections; of this role or database.
        "53300" => StoreError::TooManyConnections,
        "53100" => StoreError::Full,
        // Read-only transaction, and what a standby refuses otherwise.
        "25006" => StoreError::Standby,
        // Serialization failure, deadlock, lock not available, and the end of an idle transaction.
        "40001" | "40P01" | "55P03" | "25P03" => StoreError::Contended(message.to_owned()),
        // A statement was cancelled: by its timeout, or by an operator.
        "57014" => StoreError::Slow,
        // Shutdown, crash of another backend, start-up, idle session, connection lost.
        "57P01" | "57P02" | "57P03" | "57P05" => StoreError::Unreachable(message.to_owned()),
        "58030" => StoreError::Disk(message.to_owned()),
        "XX001" | "XX002" => StoreError::Corrupt(message.to_owned()),
        "28000" | "28P01" => StoreError::Broken(format!(
            "the PostgreSQL server refuses the user: {message}; check the user in database_url, and the password there, in \
             PGPASSWORD or in ~/.pgpass"
        )),
        "3D000" => StoreError::Broken(format!("{message}; create it first, with `createdb`")),
        "42501" => StoreError::Broken(format!("{message}; make the user in database_url the owner of the database")),
        _ if code.starts_with("08") => StoreError::Unreachable(message.to_owned()),
        _ if code.starts_with("53") => StoreError::Contended(message.to_owned()),
        _ => StoreError::Broken(format!("{message} (SQLSTATE {code})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_of_the_server_is_transient_and_damage_is_not() {
        for (code, kind) in [
            ("08006", "unreachable"),
            ("57P01", "unreachable"),
            ("57P03", "unreachable"),
            ("53300", "connections"),
            ("53100", "full"),
            ("53200", "busy"),
            ("25006", "read_only"),
            ("40001", "busy"),
            ("40P01", "busy"),
            ("57014", "timeout"),
            ("58030", "io"),
        ] {
            let error = of_state(code, "why");
            assert_eq!((error.kind(), error.is_transient()), (kind, true), "{code}");
        }
        for (code, kind) in [("XX001", "damaged"), ("42P01", "other"), ("28P01", "other"), ("3D000", "other")] {
            let error = of_state(code, "why");
            assert_eq!((error.kind(), error.is_transient()), (kind, false), "{code}");
        }
        let refused = sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into());
        assert_eq!(StoreError::from(refused).kind(), "unreachable");
    }
}
