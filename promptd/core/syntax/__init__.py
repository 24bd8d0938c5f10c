"""From the text of one file to what it declares and includes: front matter, directives, sections, slots."""
