function save_for_fastbp(net, path)
% SAVE_FOR_FASTBP  Write a network of MATLAB's toolbox for fastbp.exchange.from_matlab.
%   save_for_fastbp(net, 'net.json'), net a feedforwardnet, fitnet or patternnet:
%   layers one after the other, one input, one output. Numbers have 17 digits: nothing is lost.
file = fopen(path, 'w');
fprintf(file, '{"format": "fastbp matlab", "version": 1,\n"input": [%s],\n"layers": [', steps(net.inputs{1}));
for k = 1:net.numLayers
    if k == 1, w = net.IW{1, 1}; else, w = net.LW{k, k - 1}; end
    b = net.b{k};
    if isempty(b), b = zeros(size(w, 1), 1); end
    if k > 1, fprintf(file, ',\n'); end
    fprintf(file, '{"transfer": "%s", "weights": [', net.layers{k}.transferFcn);
    for j = 1:size(w, 1)
        if j > 1, fprintf(file, ', '); end
        fprintf(file, '%s', list(w(j, :)));
    end
    fprintf(file, '], "biases": %s}', list(b));
end
fprintf(file, '],\n"output": [%s]}\n', steps(net.outputs{net.numLayers}));
fclose(file);
end

function text = steps(port)
% The processing steps of an input or an output that change something.
parts = {};
for k = 1:numel(port.processFcns)
    s = port.processSettings{k};
    if isfield(s, 'no_change') && s.no_change, continue, end
    switch port.processFcns{k}
        case {'mapminmax', 'mapstd'}
            parts{end + 1} = sprintf('{"gain": %s, "offset": %s, "min": %.17g}', ...
                list(s.gain), list(s.xoffset), first(s)); %#ok<AGROW>
        case 'removeconstantrows'
            if ~isempty(s.remove)
                parts{end + 1} = sprintf('{"keep": %s, "n": %d}', list(s.keep), s.xrows); %#ok<AGROW>
            end
        otherwise
            error('save_for_fastbp: %s is not known', port.processFcns{k});
    end
end
text = strjoin(parts, ', ');
end

function value = first(s)
% What the smallest number becomes (mapminmax), or the mean (mapstd).
if isfield(s, 'ymin'), value = s.ymin; else, value = s.ymean; end
end

function text = list(numbers)
text = ['[' strjoin(arrayfun(@(x) sprintf('%.17g', x), numbers(:)', 'UniformOutput', false), ', ') ']'];
end
