//! A migration between backends: what its two sides have in common. Statements are made of the list of tables.

use sqlx::{AssertSqlSafe, Connection, Row as _};

use super::super::migrate::{OpenSide, SNAPSHOT, read};
use super::{DbConnection, DbRow, Query};
use crate::StoreError;
use crate::migrate::tables::{Column, Kind, Row, TABLES, Table, Value, without_nul};
use crate::migrate::{Side, Unfinished};

fn row(columns: &[Column], row: &DbRow) -> Result<Row, sqlx::Error> {
    let value = |(index, Column(_, kind)): (usize, &Column)| {
        Ok(match kind {
            Kind::Integer | Kind::Lease | Kind::Boolean | Kind::Time => Value::Integer(row.try_get(index)?),
            Kind::Real => Value::Real(row.try_get(index)?),
            Kind::Text => Value::Text(row.try_get::<Option<String>, _>(index)?.map(without_nul)),
            Kind::Bytes => Value::Bytes(row.try_get(index)?),
        })
    };
    columns.iter().enumerate().map(value).collect()
}

pub(in super::super) fn bind<'q>(query: Query<'q>, value: &'q Value) -> Query<'q> {
    match value {
        Value::Integer(number) => query.bind(number),
        Value::Real(number) => query.bind(number),
        Value::Text(text) => query.bind(text.as_deref()),
        Value::Bytes(bytes) => query.bind(bytes.as_deref()),
    }
}

impl Side for OpenSide {
    async fn begin_snapshot(&mut self) -> Result<(), StoreError> {
        sqlx::query(SNAPSHOT).execute(&mut self.0).await?;
        Ok(())
    }

    async fn end_snapshot(&mut self) -> Result<(), StoreError> {
        sqlx::query("ROLLBACK").execute(&mut self.0).await?;
        Ok(())
    }

    async fn page(&mut self, table: &Table, after: Option<&Row>) -> Result<Vec<Row>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(table.page_query(after.is_none(), read)));
        let rows = after.into_iter().flatten().fold(query, bind).fetch_all(&mut self.0).await?;
        Ok(rows.iter().map(|found| row(table.columns, found)).collect::<Result<_, _>>()?)
    }

    async fn last_key(&mut self, table: &Table) -> Result<Option<Row>, StoreError> {
        let found = sqlx::query(AssertSqlSafe(table.last_key_query(read))).fetch_optional(&mut self.0).await?;
        Ok(found.map(|found| row(table.key_columns(), &found)).transpose()?)
    }

    async fn count(&mut self, table: &Table) -> Result<u64, StoreError> {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {}", table.name));
        Ok(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut self.0).await?.unsigned_abs())
    }

    async fn count_open(&mut self) -> Result<u64, StoreError> {
        let count = "SELECT count(*) FROM usage WHERE answered = 0";
        Ok(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut self.0).await?.unsigned_abs())
    }

    async fn insert(&mut self, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
        self.insert_rows(table, rows).await
    }

    async fn unfinished(&mut self) -> Result<Option<Unfinished>, StoreError> {
        let found = sqlx::query_as("SELECT source, fingerprint FROM migration_in_progress").fetch_optional(&mut self.0);
        Ok(found.await?.map(|(source, fingerprint)| Unfinished { source, fingerprint }))
    }

    async fn set_unfinished(&mut self, unfinished: &Unfinished) -> Result<(), StoreError> {
        set_unfinished(&mut self.0, unfinished).await
    }

    async fn start_over(&mut self, unfinished: &Unfinished) -> Result<(), StoreError> {
        let mut transaction = self.0.begin().await?;
        for table in TABLES.iter().rev() {
            sqlx::query(AssertSqlSafe(format!("DELETE FROM {}", table.name))).execute(&mut *transaction).await?;
        }
        set_unfinished(&mut transaction, unfinished).await?;
        Ok(transaction.commit().await?)
    }

    async fn finish(&mut self) -> Result<(), StoreError> {
        let mut transaction = self.0.begin().await?;
        super::super::migrate::complete(&mut transaction).await?;
        sqlx::query("DELETE FROM migration_in_progress").execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn close(self) -> Result<(), StoreError> {
        Ok(self.0.close().await?)
    }
}

async fn set_unfinished(connection: &mut DbConnection, unfinished: &Unfinished) -> Result<(), StoreError> {
    let set = "INSERT INTO migration_in_progress (only_row, source, fingerprint) VALUES (1, $1, $2) \
               ON CONFLICT (only_row) DO UPDATE SET source = excluded.source, fingerprint = excluded.fingerprint";
    sqlx::query(set).bind(&unfinished.source).bind(&unfinished.fingerprint).execute(connection).await?;
    Ok(())
}
