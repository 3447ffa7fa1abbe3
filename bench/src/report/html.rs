//! The page: one file that needs nothing else, neither a script nor the network.

use std::fmt::Write as _;

use super::document::{Block, Cell, Document, Headline, Plot, Section, Table};
use super::escape;

const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn page(document: &Document) -> String {
    let title = escape::html(&document.title);
    let mut body = String::new();
    head(&mut body, document);
    for section in &document.sections {
        write_section(&mut body, section);
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn head(out: &mut String, document: &Document) {
    let _ = write!(
        out,
        "<header>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n",
        escape::html(&document.title),
        escape::html(&document.lead)
    );
    write_headlines(out, &document.headlines);
    out.push_str("<dl class=\"facts\">\n");
    for (name, value) in &document.facts {
        let _ = writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escape::html(value));
    }
    if !document.command.is_empty() {
        let command = escape::html(&document.command);
        let _ = writeln!(out, "<dt>To repeat it</dt><dd><code>{command}</code></dd>");
    }
    out.push_str("</dl>\n");
    if !document.partial.is_empty() {
        out.push_str("<div class=\"partial\">\n<p>Not complete:</p>\n<ul>\n");
        for reason in &document.partial {
            let _ = writeln!(out, "<li>{}</li>", escape::html(reason));
        }
        out.push_str("</ul>\n</div>\n");
    }
    if !document.missing.is_empty() {
        let titles = document.missing.join("; ");
        let _ = writeln!(out, "<p class=\"missing\">Not measured in this run: {titles}.</p>");
    }
    out.push_str("<nav><ul>\n");
    for section in &document.sections {
        let _ = writeln!(out, "<li><a href=\"#{}\">{}</a></li>", section.id, section.title);
    }
    out.push_str("</ul></nav>\n</header>\n");
}

fn write_headlines(out: &mut String, headlines: &[Headline]) {
    if headlines.is_empty() {
        return;
    }
    out.push_str("<ul class=\"headlines\">\n");
    for headline in headlines {
        let _ = writeln!(
            out,
            "<li><strong>{}</strong> <span>{} {}</span> <small>{}</small></li>",
            escape::html(&headline.ratio),
            headline.way,
            headline.what,
            escape::html(&headline.figures)
        );
    }
    out.push_str("</ul>\n");
}

fn write_section(out: &mut String, section: &Section) {
    let _ = writeln!(out, "<section id=\"{}\">\n<h2>{}</h2>", section.id, section.title);
    for block in &section.blocks {
        match block {
            Block::Heading(title) => {
                let _ = writeln!(out, "<h3>{title}</h3>");
            }
            Block::Text(text) => {
                let _ = writeln!(out, "<p>{}</p>", escape::html(text));
            }
            Block::Plots(plots) => write_plots(out, plots),
            Block::Table(table) => write_table(out, table),
        }
    }
    out.push_str("</section>\n");
}

fn write_plots(out: &mut String, plots: &[Plot]) {
    out.push_str("<div class=\"plots\">\n");
    for plot in plots {
        let caption = escape::html(&plot.caption);
        let _ = writeln!(out, "<figure><figcaption>{caption}</figcaption>{}</figure>", plot.svg);
    }
    out.push_str("</div>\n");
}

fn write_table(out: &mut String, table: &Table) {
    let caption = escape::html(&table.caption);
    let _ = writeln!(
        out,
        "<div class=\"table\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">"
    );
    if table.folded {
        let _ =
            writeln!(out, "<details><summary>Figures: {caption}</summary>\n<table>\n<thead><tr>");
    } else {
        let _ = writeln!(out, "<table>\n<caption>{caption}</caption>\n<thead><tr>");
    }
    for (column, head) in table.head.iter().enumerate() {
        let class = if column == 0 || table.is_prose(column) { " class=\"prose\"" } else { "" };
        let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", escape::html(head));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let inner = match cell {
                Cell::Empty => String::new(),
                Cell::Text(text) | Cell::Number(text) => escape::html(text),
                Cell::Code(text) => format!("<code>{}</code>", escape::html(text)),
                Cell::Ratio(text) => format!("<strong>{}</strong>", escape::html(text)),
            };
            let _ = match cell {
                _ if column == 0 => write!(out, "<th scope=\"row\">{inner}</th>"),
                Cell::Text(_) | Cell::Code(_) => write!(out, "<td class=\"prose\">{inner}</td>"),
                Cell::Empty | Cell::Number(_) | Cell::Ratio(_) => write!(out, "<td>{inner}</td>"),
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n");
    out.push_str(if table.folded { "</details>\n</div>\n" } else { "</div>\n" });
}
