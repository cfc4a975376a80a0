//! Packs bytes on their way to a scratch file: the same bytes always become the same ones.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use anyhow::{Context, Result};
use bytes::Bytes;
use contract::Compression;
use flate2::write::GzEncoder;
use tempfile::{SpooledData, SpooledTempFile};

use crate::handler::Body;

/// Bytes that stay in memory.
const MEMORY: usize = 8 << 20;
/// Zstandard's own default.
const ZSTD_LEVEL: i32 = 3;

/// Bytes on their way to a scratch file.
pub(super) enum Packer {
    Plain(SpooledTempFile),
    Gzip(GzEncoder<SpooledTempFile>),
    Zstd(zstd::Encoder<'static, SpooledTempFile>),
}

impl Packer {
    pub(super) fn new(compression: Compression) -> Result<Self> {
        Self::sharing(compression, 1)
    }

    /// As [`Packer::new`], where so many share the memory.
    pub(super) fn sharing(compression: Compression, shares: usize) -> Result<Self> {
        let file = SpooledTempFile::new(MEMORY / shares);
        Ok(match compression {
            Compression::None => Self::Plain(file),
            Compression::Gzip => Self::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Compression::Zstd => {
                Self::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL).context("cannot pack the output")?)
            }
        })
    }

    pub(super) fn finish(self) -> Result<Body> {
        let file = match self {
            Self::Plain(file) => Ok(file),
            Self::Gzip(gzip) => gzip.finish(),
            Self::Zstd(zstd) => zstd.finish(),
        };
        body(file.context("cannot write to the scratch folder")?)
    }
}

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(gzip) => gzip.write(bytes),
            Self::Zstd(zstd) => zstd.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Gzip(gzip) => gzip.flush(),
            Self::Zstd(zstd) => zstd.flush(),
        }
    }
}

fn body(mut file: SpooledTempFile) -> Result<Body> {
    file.flush().context("cannot write to the scratch folder")?;
    match file.into_inner() {
        SpooledData::InMemory(bytes) => Ok(Body::Memory(Bytes::from(bytes.into_inner()))),
        SpooledData::OnDisk(file) => Ok(Body::File(rewound(file)?)),
    }
}

fn rewound(mut file: File) -> Result<File> {
    file.seek(SeekFrom::Start(0)).context("cannot read from the scratch folder")?;
    Ok(file)
}
