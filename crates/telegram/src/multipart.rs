//! A body of `multipart/form-data`, for the one call that sends a file. Small files from memory only.

/// Parameters and a file, joined as RFC 7578 says.
pub(super) struct Form {
    boundary: String,
    body: Vec<u8>,
}

impl Form {
    /// Nothing yet. `unique` must occur in no value; a random number will do.
    pub(super) fn new(unique: u128) -> Self {
        Self { boundary: format!("stenobot-{unique:032x}"), body: Vec::new() }
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.part(&format!("name=\"{name}\""), None, value.as_bytes());
    }

    /// `file_name` must hold neither quotes nor line ends; ours do not.
    pub(super) fn file(&mut self, name: &str, file_name: &str, media_type: &str, bytes: &[u8]) {
        self.part(&format!("name=\"{name}\"; filename=\"{file_name}\""), Some(media_type), bytes);
    }

    fn part(&mut self, disposition: &str, media_type: Option<&str>, bytes: &[u8]) {
        let head = format!("--{}\r\nContent-Disposition: form-data; {disposition}\r\n", self.boundary);
        self.body.extend_from_slice(head.as_bytes());
        if let Some(media_type) = media_type {
            self.body.extend_from_slice(format!("Content-Type: {media_type}\r\n").as_bytes());
        }
        self.body.extend_from_slice(b"\r\n");
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.body.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_between_boundaries() {
        let mut form = Form::new(7);
        form.text("chat_id", "-5");
        form.file("document", "text.srt", "application/x-subrip", "1\nда".as_bytes());
        assert_eq!(form.content_type(), "multipart/form-data; boundary=stenobot-00000000000000000000000000000007");
        let line = "--stenobot-00000000000000000000000000000007";
        let wanted = format!(
            "{line}\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n-5\r\n\
             {line}\r\nContent-Disposition: form-data; name=\"document\"; filename=\"text.srt\"\r\n\
             Content-Type: application/x-subrip\r\n\r\n1\nда\r\n{line}--\r\n"
        );
        assert_eq!(String::from_utf8(form.finish()).unwrap(), wanted);
    }
}
