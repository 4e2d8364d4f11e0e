//! Texts of notices, by name and language.

use serde::Serialize;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::domain::id::Id;

use super::{Page, PageRequest, Store, columns::Columns};

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct NoticeTemplate {
    #[schema(value_type = String)]
    pub id: Id,
    /// BCP 47.
    pub language: String,
    pub title: String,
    pub body: String,
}

impl Store {
    pub(crate) async fn put_notice_template(&self, community: &Id, template: &NoticeTemplate) -> anyhow::Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO notice_templates (community, id, language, title, body) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (community, id, language) DO UPDATE SET title = $4, body = $5",
        )
        .bind(community.as_str())
        .bind(template.id.as_str())
        .bind(template.language.as_str())
        .bind(template.title.as_str())
        .bind(template.body.as_str())
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// False where there was none.
    pub(crate) async fn delete_notice_template(&self, community: &Id, id: &Id, language: &str) -> anyhow::Result<bool> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query("DELETE FROM notice_templates WHERE community = $1 AND id = $2 AND language = $3")
            .bind(community.as_str())
            .bind(id.as_str())
            .bind(language)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        tx.commit().await?;
        Ok(gone == 1)
    }

    /// The template in the first of these languages that it is there in.
    pub(crate) async fn notice_template(
        &self,
        community: &Id,
        id: &str,
        languages: &[&str],
    ) -> anyhow::Result<Option<NoticeTemplate>> {
        for language in languages {
            let row = sqlx::query("SELECT * FROM notice_templates WHERE community = $1 AND id = $2 AND language = $3")
                .bind(community.as_str())
                .bind(id)
                .bind(*language)
                .fetch_optional(&self.reader)
                .await?;
            if let Some(row) = row {
                return Ok(Some(read(&row)?));
            }
        }
        Ok(None)
    }

    /// Every template, by name and language; the cursor is `id/language`.
    pub(crate) async fn notice_templates(
        &self,
        community: &Id,
        page: &PageRequest,
    ) -> anyhow::Result<Page<NoticeTemplate>> {
        let (id, language) = page.after_pair('/')?;
        let rows = sqlx::query(
            "SELECT * FROM notice_templates WHERE community = $1 AND (id > $2 OR (id = $2 AND language > $3))
             ORDER BY id, language LIMIT $4",
        )
        .bind(community.as_str())
        .bind(id)
        .bind(language)
        .bind(page.fetch())
        .fetch_all(&self.reader)
        .await?;
        let templates = rows.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Page::of(templates, page.limit, |template: &NoticeTemplate| {
            format!("{}/{}", template.id, template.language)
        }))
    }
}

fn read(row: &AnyRow) -> anyhow::Result<NoticeTemplate> {
    Ok(NoticeTemplate {
        id: row.id("id")?,
        language: row.text("language")?,
        title: row.text("title")?,
        body: row.text("body")?,
    })
}
