"""Images in and out of the field's own file formats, and the patches that training draws."""
